/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric-provider-dump: a capture, a saved tree, or this machine as a provider that only reads.
 *
 * What is shown is read anew for each scan. The boot id is made from what stands where: as long as
 * that is the same, handles keep their meaning.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "provider/machine.h"
#include "provider/pci.h"
#include "provider/server.h"
#include "topology/capture.h"

enum {
	EXIT_BAD_INPUT = 1,
	EXIT_USAGE = 2,
	EXIT_FAILED = 4,
	HELD_MAX = 1024,
	WHY_BYTES = 512,
};

struct dump {
	struct provider provider; /* first */
	struct provider_sink sink;
	struct provider_hello hello;
	const char *source;
	uint16_t chassis;
	struct provider_scan *scan; /* the last that was told, or that is to be told */
	bool scan_asked;
	struct provider_op held[HELD_MAX];
	size_t held_count;
};

static int device_take(const struct capture_device *device, void *arg)
{
	return topo_graph_add(arg, &device->address, device->bytes, device->length);
}

static int capture_load(const char *file, struct topo_graph *g, char *why)
{
	struct capture_error error = { 0 };
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = -errno;
		(void)snprintf(why, WHY_BYTES, "%s: %s", file, strerror(errno));
		return r;
	}
	r = capture_read(fd, device_take, g, &error);
	(void)close(fd); /* only read */
	if (r > 0)
		(void)snprintf(why, WHY_BYTES, "%s:%llu: %s", file, (unsigned long long)error.line,
			       error.reason);
	else if (r < 0)
		(void)snprintf(why, WHY_BYTES, "%s: %s", file, strerror(-r));
	return r ? r : topo_graph_link(g);
}

/* dump:FILE, sysfs:DIR or pci. @why: WHY_BYTES; set unless 0 is returned */
static int source_load(const char *source, struct topo_graph *g, char *why)
{
	char reason[PROVIDER_PCI_REASON] = "";
	int r;

	(void)snprintf(why, WHY_BYTES, "%s", strerror(ENOMEM)); /* unless it is something else */
	if (!strncmp(source, "dump:", 5))
		return capture_load(source + 5, g, why);
	r = provider_pci_load(!strncmp(source, "sysfs:", 6) ? source + 6 : NULL, g, reason);
	if (r)
		(void)snprintf(why, WHY_BYTES, "%s: %s", source, reason);
	return r;
}

/* Reads the source. Return: 0, or as source_load(); @d is as before then. */
static int dump_load(struct dump *d, char *why)
{
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	struct provider_scan *scan;
	char reason[PROVIDER_TEXT_MAX] = "out of memory";
	int r = source_load(d->source, &g, why);

	if (r)
		return r;
	r = provider_machine_scan(&g, &scan, reason);
	if (!r)
		r = provider_scan_check(scan, reason);
	if (r) {
		(void)snprintf(why, WHY_BYTES, "%s: %s", d->source, reason);
		return r;
	}
	provider_machine_number(scan, d->chassis);
	provider_scan_free(d->scan);
	d->scan = scan;
	(void)snprintf(d->hello.boot_id, sizeof(d->hello.boot_id), "%016llx",
		       (unsigned long long)provider_machine_mark(&g)); /* it fits */
	return 0;
}

static void *copy_of(const void *array, size_t count, size_t size)
{
	void *copy = calloc(count ? count : 1, size);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

static struct provider_scan *scan_copy(const struct provider_scan *from)
{
	OWNED(provider_scan_free)
	struct provider_scan *scan = copy_of(from, 1, sizeof(*from));

	if (!scan)
		return NULL;
	scan->switches = copy_of(from->switches, from->switch_count, sizeof(*scan->switches));
	scan->ports = copy_of(from->ports, from->port_count, sizeof(*scan->ports));
	scan->hosts = copy_of(from->hosts, from->host_count, sizeof(*scan->hosts));
	scan->adapters = copy_of(from->adapters, from->adapter_count, sizeof(*scan->adapters));
	scan->functions = copy_of(from->functions, from->function_count, sizeof(*scan->functions));
	if (!scan->switches || !scan->ports || !scan->hosts || !scan->adapters || !scan->functions)
		return NULL;
	return TAKE(scan);
}

static void scan_answer(struct dump *d)
{
	char before[sizeof(d->hello.boot_id)];
	struct provider_event reboot = { .kind = PROVIDER_EVENT_REBOOT };
	struct provider_scan *scan;
	char why[WHY_BYTES];

	memcpy(before, d->hello.boot_id, sizeof(before));
	if (dump_load(d, why)) {
		log_warning("%s", why);
		d->sink.scanned_take(d->sink.arg, NULL, why);
		return;
	}
	if (strcmp(before, d->hello.boot_id)) {
		memcpy(reboot.boot_id, d->hello.boot_id, sizeof(reboot.boot_id));
		d->sink.told(d->sink.arg, &reboot);
	}
	scan = scan_copy(d->scan);
	d->sink.scanned_take(d->sink.arg, scan, scan ? NULL : strerror(ENOMEM));
}

static void read_answer(const struct dump *d, const struct provider_op *op,
			struct provider_completion *done)
{
	static struct provider_binding bindings[PROVIDER_READ_MAX];

	if (op->function > d->scan->function_count ||
	    op->value > d->scan->function_count - op->function + 1) {
		done->outcome = PROVIDER_REFUSED;
		done->why = PROVIDER_WHY_NO_FUNCTION;
		return;
	}
	for (uint32_t i = 0; i < op->value; i++)
		bindings[i] = d->scan->functions[op->function - 1 + i].now;
	done->bindings = bindings;
	done->binding_count = op->value;
}

static void op_answer(const struct dump *d, const struct provider_op *op)
{
	struct provider_completion done = { .attempt = op->attempt };

	if (op->verb == PROVIDER_READ) {
		read_answer(d, op, &done);
	} else if (op->verb != PROVIDER_SETTLE) {
		done.outcome = PROVIDER_REFUSED;
		done.why = op->verb == PROVIDER_READ_HOST ? PROVIDER_WHY_NO_HOST
							  : PROVIDER_WHY_UNSUPPORTED;
	}
	d->sink.completed(d->sink.arg, &done);
}

static int dump_submit(struct provider *p, const struct provider_op *op)
{
	struct dump *d = (struct dump *)p;

	if (d->held_count == HELD_MAX)
		return -ENOBUFS;
	d->held[d->held_count++] = *op;
	return 0;
}

static int dump_scan(struct provider *p)
{
	((struct dump *)p)->scan_asked = true;
	return 0;
}

static void dump_advance(struct provider *p, uint64_t now_ms)
{
	struct dump *d = (struct dump *)p;

	(void)now_ms;
	for (size_t i = 0; i < d->held_count; i++)
		op_answer(d, &d->held[i]);
	d->held_count = 0;
	if (d->scan_asked) {
		d->scan_asked = false;
		scan_answer(d);
	}
}

static uint64_t dump_next_ms(const struct provider *p)
{
	const struct dump *d = (const struct dump *)p;

	return d->held_count || d->scan_asked ? 0 : UINT64_MAX;
}

static const struct provider_ops dump_ops = {
	.name = "dump",
	.submit = dump_submit,
	.scan = dump_scan,
	.advance = dump_advance,
	.next_ms = dump_next_ms,
};

static void stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)event_base_loopbreak(arg); /* cannot fail within the loop */
}

static int serve_on(struct event_base *base, struct dump *d, const char *socket_path)
{
	OWNED(provider_server_free) struct provider_server *server = NULL;
	const struct provider_server_user user = { 0 };
	struct event *on_term = evsignal_new(base, SIGTERM, stop, base);
	struct event *on_int = evsignal_new(base, SIGINT, stop, base);
	int r = -ENOMEM;

	if (on_term && on_int && !event_add(on_term, NULL) && !event_add(on_int, NULL))
		r = provider_server_new(base, socket_path, &user, &server);
	if (!r) {
		d->sink = provider_server_sink(server);
		provider_server_attach(server, &d->provider, &d->hello);
		log_notice("%s: %zu switches, %zu adapters, %zu functions, served on %s", d->source,
			   d->scan->switch_count, d->scan->adapter_count, d->scan->function_count,
			   socket_path);
		r = event_base_dispatch(base) < 0 ? -EIO : 0;
	}
	if (on_term)
		event_free(on_term);
	if (on_int)
		event_free(on_int);
	return r;
}

static int serve(struct dump *d, const char *socket_path)
{
	struct event_base *base = event_base_new();
	int r = base ? serve_on(base, d, socket_path) : -ENOMEM;

	if (r)
		log_err("%s: %s", socket_path, strerror(-r));
	if (base)
		event_base_free(base);
	return r ? EXIT_FAILED : 0;
}

static bool is_source(const char *text)
{
	return !strncmp(text, "dump:", 5) || !strncmp(text, "sysfs:", 6) || !strcmp(text, "pci");
}

static int usage(FILE *out, int status)
{
	(void)fprintf(
		out,
		"usage: fabric-provider-dump --socket PATH [--chassis N] dump:FILE|sysfs:DIR|pci\n"
		"Serves what a capture, a saved tree or this machine shows, read-only.\n"
		"  --chassis N  its number among chassis, 1 to 65535 (1)\n");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "chassis", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	static struct dump d = {
		.provider = { .ops = &dump_ops },
		.chassis = 1,
		.hello = { .name = "fabric-provider-dump " FABRIC_VERSION,
			   .can = PROVIDER_CAN_BARRIER,
			   .timeout_ms = 10000,
			   .depth = 64 },
	};
	const char *socket_path = NULL;
	char why[WHY_BYTES];
	int option;
	int r;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 's')
			socket_path = optarg;
		else if (option == 'c' && !provider_machine_number_parse(optarg, &d.chassis))
			continue;
		else if (option == 'h')
			return usage(stdout, 0);
		else if (option == 'V')
			return puts("fabric-provider-dump " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
		else
			return usage(stderr, EXIT_USAGE);
	}
	if (!socket_path || optind + 1 != argc || !is_source(argv[optind]))
		return usage(stderr, EXIT_USAGE);
	log_setup("fabric-provider-dump", LOG_LEVEL_NOTICE);
	d.source = argv[optind];
	if (dump_load(&d, why)) {
		(void)fprintf(stderr, "%s\n", why);
		return EXIT_BAD_INPUT;
	}
	r = serve(&d, socket_path);
	provider_scan_free(d.scan);
	return r;
}
