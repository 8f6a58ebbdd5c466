/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabric-provider-pci: this machine's own PCI functions as a provider with hands. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/kernel_events.h"
#include "common/log.h"
#include "provider/control.h"
#include "provider/pci/provider.h"
#include "provider/pci/rights.h"
#include "provider/server.h"

enum {
	EXIT_BAD_INPUT = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_REACHED = 3,
	EXIT_FAILED = 4,
	EVENTS_BYTES = 8 << 20, /* a card with many VFs says much at once */
	AER_MS = 10000,
};

struct program {
	const char *socket_path;
	const char *bay;
	uint16_t chassis;
	const char *state_path;
	const char *tree;
	const char *driver;
	enum log_level level;
	struct pci_rules rules;
	char host_name[65];
	struct provider *provider;
};

static int control(void *arg, const char *request, size_t length, struct buf *answer)
{
	struct program *p = arg;

	return pci_provider_control(p->provider, request, length, answer);
}

static void stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)event_base_loopbreak(arg); /* cannot fail within the loop */
}

static int loop(struct event_base *base, const struct program *p)
{
	struct event *on_term = evsignal_new(base, SIGTERM, stop, base);
	struct event *on_int = evsignal_new(base, SIGINT, stop, base);
	int r = -ENOMEM;

	if (on_term && on_int && !event_add(on_term, NULL) && !event_add(on_int, NULL)) {
		log_notice("%s: %s, %zu in the pool by name, served on %s",
			   p->tree ? p->tree : "this machine", p->bay, p->rules.count,
			   p->socket_path);
		r = event_base_dispatch(base) < 0 ? -EIO : 0;
	}
	if (on_term)
		event_free(on_term);
	if (on_int)
		event_free(on_int);
	return r;
}

static int provider_start(struct program *p, struct event_base *base,
			  struct provider_server *server, struct provider_hello *hello)
{
	struct pci_provider_options options = {
		.base = base,
		.sysfs = { .tree = p->tree ? p->tree : "" },
		.bay = p->bay,
		.chassis = p->chassis,
		.state_path = p->state_path,
		.rules = p->rules,
		.driver = p->driver,
		.events = -1,
		.aer_ms = AER_MS,
		.saved = p->tree != NULL,
	};
	const struct provider_sink sink = provider_server_sink(server);
	char why[PCI_PROVIDER_WHY];
	int r;

	if (!p->tree) {
		r = kernel_events_open(EVENTS_BYTES, &options.events);
		if (r) {
			log_err("the kernel's events: %s", strerror(-r));
			return EXIT_FAILED;
		}
	}
	r = pci_provider_open(&options, &sink, &p->provider, hello, why);
	if (r)
		log_err("%s", why);
	return r > 0 ? EXIT_BAD_INPUT : r ? EXIT_FAILED : 0;
}

static int serve_on(struct program *p, struct event_base *base)
{
	OWNED(provider_server_free) struct provider_server *server = NULL;
	const struct provider_server_user user = { .control = control, .arg = p };
	struct provider_hello hello;
	int r = provider_server_new(base, p->socket_path, &user, &server);
	int status;

	if (r) {
		log_err("%s: %s", p->socket_path, strerror(-r));
		return EXIT_FAILED;
	}
	status = provider_start(p, base, server, &hello);
	if (status)
		return status;
	provider_server_attach(server, p->provider, &hello);
	r = loop(base, p);
	if (r)
		log_err("%s", strerror(-r));
	return r ? EXIT_FAILED : 0;
}

static int serve(struct program *p)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	int status = EXIT_FAILED;
	int r = pci_rights_drop();

	if (r) {
		log_err("rights that are not needed cannot be given up: %s", strerror(-r));
	} else if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER)) {
		base = event_base_new_with_config(config);
		if (base)
			status = serve_on(p, base);
		else
			log_err("%s", strerror(ENOMEM));
	}
	if (config)
		event_config_free(config);
	if (p->provider)
		provider_close(p->provider);
	if (base)
		event_base_free(base);
	return status;
}

static int usage(FILE *out, int status)
{
	(void)fprintf(
		out,
		"usage: fabric-provider-pci --socket PATH [OPTION...]\n"
		"       fabric-provider-pci ask --socket PATH show|rescan|remove ADDRESS\n"
		"This machine's own PCI functions, for fabricd.\n"
		"  --adapter ADDRESS|slot:N  an adapter of the pool; all others are only "
		"looked at\n"
		"  --bay NAME                name of the machine's bay (its host name)\n"
		"  --chassis N               the machine's number among chassis, 1 to 65535 (1)\n"
		"  --driver NAME             bind functions to it (the driver of their ids)\n"
		"  --state FILE              bindings of this boot (/run/fabricd/pci.state)\n"
		"  --sysfs DIR               a saved tree, only looked at\n"
		"  --log LEVEL               err, warning, notice, info, debug\n");
	return status;
}

static int ask(const char *socket_path, int count, char **words)
{
	OWNED(buf_done) struct buf request = { 0 };
	OWNED(buf_done) struct buf answer = { 0 };
	char why[PROVIDER_TEXT_MAX];
	int r;

	for (int i = 0; i < count; i++)
		buf_printf(&request, "%s%s", i ? " " : "", words[i]);
	if (!count || request.failed)
		return usage(stderr, EXIT_USAGE);
	r = provider_control(socket_path, (const char *)request.data, &answer, why);
	if (answer.length)
		(void)fprintf(r ? stderr : stdout, "%.*s%s", (int)answer.length,
			      (const char *)answer.data,
			      answer.data[answer.length - 1] == '\n' ? "" : "\n");
	else if (r)
		(void)fprintf(stderr, "%s\n", why);
	return r < 0 ? EXIT_NOT_REACHED : r ? EXIT_BAD_INPUT : 0;
}

static const char *own_name(struct program *p)
{
	return !gethostname(p->host_name, sizeof(p->host_name) - 1) && p->host_name[0]
		       ? p->host_name
		       : "machine";
}

static int option_take(struct program *p, int option, const char *value)
{
	int level;

	switch (option) {
	case 's':
		p->socket_path = value;
		return 0;
	case 'b':
		p->bay = value;
		return *value && strlen(value) < PROVIDER_NAME_MAX ? 0 : -EINVAL;
	case 'c':
		return provider_machine_number_parse(value, &p->chassis);
	case 't':
		p->state_path = value;
		return 0;
	case 'd':
		p->tree = value;
		return 0;
	case 'D':
		p->driver = value;
		return *value && strlen(value) < SYSFS_NAME_MAX && !strchr(value, '/') ? 0
										       : -EINVAL;
	case 'a':
		return pci_rules_add(&p->rules, value);
	case 'l':
		level = log_level_parse(value);
		p->level = level < 0 ? p->level : (enum log_level)level;
		return level < 0 ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "adapter", required_argument, NULL, 'a' },
		{ "bay", required_argument, NULL, 'b' },
		{ "chassis", required_argument, NULL, 'c' },
		{ "driver", required_argument, NULL, 'D' },
		{ "state", required_argument, NULL, 't' },
		{ "sysfs", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	static struct program p = { .state_path = "/run/fabricd/pci.state",
				    .chassis = 1,
				    .level = LOG_LEVEL_NOTICE };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'V')
			return puts("fabric-provider-pci " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
		if (option_take(&p, option, optarg)) {
			if (optarg)
				(void)fprintf(stderr, "%s: not as it should be\n", optarg);
			return usage(stderr, EXIT_USAGE);
		}
	}
	if (!p.bay)
		p.bay = own_name(&p);
	if (!p.socket_path)
		return usage(stderr, EXIT_USAGE);
	if (optind < argc && !strcmp(argv[optind], "ask"))
		return ask(p.socket_path, argc - optind - 1, argv + optind + 1);
	if (optind < argc)
		return usage(stderr, EXIT_USAGE);
	log_setup("fabric-provider-pci", p.level);
	return serve(&p);
}
