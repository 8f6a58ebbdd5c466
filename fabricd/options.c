/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
	EXIT_USAGE = 2,
	EXIT_FAILED = 4,
	SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1
};

static const char help[] =
	"usage: fabricd [--config FILE] [--db FILE] [--socket PATH] [--provider NAME=SOCKET]...\n"
	"\n"
	"The manager of a multi-root PCIe switch fabric. Stays in the foreground.\n"
	"\n"
	"  --config FILE           configuration, see fabricd.conf(5); /etc/fabricd/fabricd.conf\n"
	"                          unless given. An empty file is valid\n"
	"  --db FILE               database; /var/lib/fabricd/fabricd.db unless given\n"
	"  --socket PATH           control socket; /run/fabricd/fabricd.sock unless given, or\n"
	"                          what systemd hands over\n"
	"  --provider NAME=SOCKET  reach the provider that listens on SOCKET; in addition to\n"
	"                          those of the configuration, or in place of NAME's. Repeatable\n"
	"  --foreground            accepted; it never goes anywhere else\n"
	"  --log-level LEVEL       err, warning, notice, info or debug; notice unless given\n"
	"  --help, --version\n"
	"\n"
	"Example: fabricd --config /etc/fabricd/fabricd.conf --provider sim=/run/fabricd/sim.sock\n"
	"\n"
	"SIGTERM and SIGINT end it, SIGHUP reads the configuration again.\n"
	"Exit codes: 0 done, 1 refused or bad input, 2 usage, 4 failed on the way.\n";

static int usage(const char *reason, const char *value)
{
	(void)fprintf(stderr, "fabricd: %s%s (see fabricd --help)\n", reason, value);
	return EXIT_USAGE;
}

static int path_take(const char *name, const char *path, const char **out)
{
	if (!*path)
		return usage(name, " takes a path, not nothing");
	*out = path;
	return OPTIONS_GO_ON;
}

static int socket_take(const char *path, const char **out)
{
	if (strlen(path) > SOCKET_PATH_MAX)
		return usage("the path of a socket has at most 107 bytes: ", path);
	return path_take("--socket", path, out);
}

/* NAME=SOCKET */
static int provider_take(struct options *o, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-");

	if (!length || length > 63 || plain != length || !equals[1])
		return usage("--provider takes NAME=SOCKET, not ", text);
	if (o->provider_count == CONFIG_PROVIDERS)
		return usage("too many providers, from ", text);
	for (size_t i = 0; i < o->provider_count; i++)
		if (strlen(o->providers[i].name) == length &&
		    !memcmp(o->providers[i].name, text, length))
			return usage("given twice: --provider ", text);
	(void)snprintf(o->providers[o->provider_count].name, CONFIG_TEXT_MAX, "%.*s", (int)length,
		       text);
	return socket_take(equals + 1, &o->providers[o->provider_count++].socket);
}

static int level_take(struct options *o, const char *text)
{
	int level = log_level_parse(text);

	if (level < 0)
		return usage("no such log level: ", text);
	o->level = (enum log_level)level;
	return OPTIONS_GO_ON;
}

static int option_take(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'c':
		o->config_is_given = true;
		return path_take("--config", value, &o->config);
	case 'd':
		return path_take("--db", value, &o->db);
	case 's':
		return socket_take(value, &o->socket);
	case 'p':
		return provider_take(o, value);
	case 'l':
		return level_take(o, value);
	case 'f':
		return OPTIONS_GO_ON;
	case 'h':
		return fputs(help, stdout) < 0 ? EXIT_FAILED : 0;
	case 'V':
		return puts("fabricd " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
	default:
		return EXIT_USAGE; /* getopt has said why */
	}
}

int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "db", required_argument, NULL, 'd' },
		{ "socket", required_argument, NULL, 's' },
		{ "provider", required_argument, NULL, 'p' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*o = (struct options){ .config = "/etc/fabricd/fabricd.conf",
			       .db = "/var/lib/fabricd/fabricd.db",
			       .socket = "/run/fabricd/fabricd.sock",
			       .level = LOG_LEVEL_NOTICE };
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		int r = option_take(o, option, optarg);

		if (r != OPTIONS_GO_ON)
			return r;
	}
	if (optind < argc)
		return usage("unexpected: ", argv[optind]);
	return OPTIONS_GO_ON;
}

int options_apply(const struct options *o, struct config *c)
{
	for (size_t i = 0; i < o->provider_count; i++) {
		size_t at = 0;

		while (at < c->provider_count &&
		       strcmp(c->providers[at].name, o->providers[i].name) != 0)
			at++;
		if (at == CONFIG_PROVIDERS)
			return REFUSE_FIELD;
		(void)snprintf(c->providers[at].name, CONFIG_TEXT_MAX, "%s", o->providers[i].name);
		(void)snprintf(c->providers[at].socket, CONFIG_TEXT_MAX, "%s",
			       o->providers[i].socket);
		c->provider_count += at == c->provider_count;
	}
	return 0;
}
