/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabric-provider-qemu: QEMU guests as blades, and a pool of adapters that go to any of them. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "provider/qemu/qemu.h"
#include "provider/server.h"

enum { EXIT_BAD_INPUT = 1, EXIT_USAGE = 2, EXIT_FAILED = 4 };

static void stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)event_base_loopbreak(arg); /* cannot fail within the loop */
}

static int serve_on(struct event_base *base, const struct qemu_chassis *chassis,
		    const char *socket_path)
{
	OWNED(provider_close) struct provider *provider = NULL;
	OWNED(provider_server_free) struct provider_server *server = NULL;
	const struct provider_server_user user = { 0 };
	struct provider_hello hello;
	struct provider_sink sink;
	int r = provider_server_new(base, socket_path, &user, &server);

	if (r)
		return r;
	sink = provider_server_sink(server);
	r = provider_qemu_open(base, chassis, &sink, &hello, &provider);
	if (r)
		return r;
	provider_server_attach(server, provider, &hello);
	log_notice("%s: %zu blades, %zu adapters, served on %s", chassis->name, chassis->host_count,
		   chassis->adapter_count, socket_path);
	(void)sd_notify(0, "READY=1"); /* nobody may be listening */
	return event_base_dispatch(base) < 0 ? -EIO : 0;
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	/* deadlines of the protocol are in milliseconds */
	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int serve(const struct qemu_chassis *chassis, const char *socket_path)
{
	struct event_base *base = base_new();
	struct event *on_term = base ? evsignal_new(base, SIGTERM, stop, base) : NULL;
	struct event *on_int = base ? evsignal_new(base, SIGINT, stop, base) : NULL;
	int r = -ENOMEM;

	if (on_term && on_int && !event_add(on_term, NULL) && !event_add(on_int, NULL))
		r = serve_on(base, chassis, socket_path);
	if (r)
		log_err("%s: %s", socket_path, strerror(-r));
	if (on_term)
		event_free(on_term);
	if (on_int)
		event_free(on_int);
	if (base)
		event_base_free(base);
	return r ? EXIT_FAILED : 0;
}

static int usage(FILE *out, int status)
{
	(void)fprintf(
		out,
		"usage: fabric-provider-qemu --chassis FILE --socket PATH [--log LEVEL]\n"
		"       fabric-provider-qemu --check FILE\n"
		"Serves QEMU guests as blades: any adapter of the pool goes to any free vport.\n\n"
		"  --chassis FILE   the blades and the adapters; \"provider\" is \"qemu\" in it\n"
		"  --socket PATH    where fabricd reaches the provider\n"
		"  --log LEVEL      err, warning, notice, info or debug (default notice)\n"
		"  --check FILE     read a chassis file and say what is wrong with it\n"
		"Exit: 0 done, 1 bad chassis file, 2 usage, 4 failed on the way.\n");
	return status;
}

struct call {
	const char *chassis;
	const char *socket_path;
	const char *check;
	int level;
};

/* Return: -1 to go on, else an exit code. */
static int call_parse(struct call *call, int argc, char **argv)
{
	static const struct option options[] = {
		{ "chassis", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },
		{ "check", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'c')
			call->chassis = optarg;
		else if (option == 's')
			call->socket_path = optarg;
		else if (option == 'k')
			call->check = optarg;
		else if (option == 'l')
			call->level = log_level_parse(optarg);
		else if (option == 'h')
			return usage(stdout, 0);
		else if (option == 'V')
			return puts("fabric-provider-qemu " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
		else
			return usage(stderr, EXIT_USAGE);
	}
	if (optind != argc || call->level < 0 ||
	    (call->check ? call->chassis || call->socket_path
			 : !call->chassis || !call->socket_path))
		return usage(stderr, EXIT_USAGE);
	return -1;
}

int main(int argc, char **argv)
{
	OWNED(qemu_chassis_free) struct qemu_chassis *chassis = NULL;
	struct call call = { .level = LOG_LEVEL_NOTICE };
	char error[OBJECT_ERROR_MAX];
	int r = call_parse(&call, argc, argv);

	if (r >= 0)
		return r;
	log_setup("fabric-provider-qemu", (enum log_level)call.level);
	if (qemu_chassis_read(call.check ? call.check : call.chassis, &chassis, error)) {
		(void)fprintf(stderr, "%s\n", error);
		return EXIT_BAD_INPUT;
	}
	return call.check ? 0 : serve(chassis, call.socket_path);
}
