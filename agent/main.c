/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabric-agent: tells fabricd that this host is alive and what it sees, and lets functions go. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/notify.h"
#include "common/beat_datagram.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	EXIT_USAGE = 2,
	EXIT_FAILED = 4,
	INTERVAL_MIN_MS = 10,
	INTERVAL_MAX_MS = 60000,
	HOOK_MAX_MS = 600000,
	LEAVE_MS = 100, /* between two tries to say so */
	LEAVE_TRIES = 20,
};

static const char default_socket[] = "/run/fabricd/fabricd.sock";
static const char default_port[] = "fabric";

static const char help[] =
	"usage: fabric-agent [--host ID] [--serial PORT] [--udp ADDRESS:PORT --key-file FILE]\n"
	"                    [--datagram PATH] [--socket PATH] [--interval-ms N]\n"
	"\n"
	"Tells fabricd that this host is alive and what it sees of its adapters, and takes part\n"
	"when one of them is to leave.\n"
	"\n"
	"  --host ID         id of this host in the fabric, as in 'fabricctl host list'; the\n"
	"                    machine's host name unless given (environment: FABRIC_HOST)\n"
	"\n"
	"Ways to fabricd; several may be used at once. Without any: the virtio port named\n"
	"\"fabric\" if there is one, else the socket.\n"
	"  --serial PORT     a virtio port by its name, or a character device by its path\n"
	"  --udp ADDRESS:PORT  beats as datagrams; needs --key-file, carries nothing else;\n"
	"                    up to four times, for networks that do not fail together\n"
	"  --datagram PATH   the same to a Unix socket of this machine\n"
	"  --socket PATH     fabricd's control socket, /run/fabricd/fabricd.sock by default;\n"
	"                    carries no requests to let go (environment: FABRIC_SOCKET)\n"
	"  --key-file FILE   the key that this host shares with fabricd: 32 bytes, or 64 hex "
	"digits\n"
	"\n"
	"  --interval-ms N   time between two beats, 10 to 60000; 1000 unless given\n"
	"  --hooks DIR       programs run as functions come and go; /etc/fabric-agent/hooks.d\n"
	"                    unless given\n"
	"  --hook-ms N       deadline of each, 100 to 600000; 10000 unless given\n"
	"  --state FILE      remembers the highest epoch, and that the hooks of a fence have run,\n"
	"                    across a restart of the agent; not on a disk that goes with a fence\n"
	"                    (environment: FABRIC_STATE)\n"
	"  --sysfs DIR       in place of /sys, for tests; none: tells nothing of what this host\n"
	"                    sees, for an agent that stands in for a modelled host\n"
	"                    (environment: FABRIC_SYSFS)\n"
	"  --leave           on SIGTERM: says that this host leaves, so that fabricd fences it "
	"and\n"
	"                    hands over what it has without waiting. It must be readmitted when\n"
	"                    it comes back\n"
	"  --boot-id UUID    in place of the kernel's boot id, for tests\n"
	"                    (environment: FABRIC_BOOT_ID)\n"
	"  --log-level NAME  err, warning, notice, info or debug; notice unless given\n"
	"  --help, --version\n"
	"\n"
	"Example: fabric-agent --host bay7\n"
	"\n"
	"Ends on SIGTERM, with 0. Exit codes: 2 usage, 4 failed on the way.\n";

struct options {
	struct agent_config agent;
	const char *host;
	const char *serial;
	const char *udp[AGENT_UDP];
	size_t udp_count;
	const char *datagram;
	const char *socket;
	const char *boot_id;
	bool leaves;
	enum log_level level;
};

struct daemon {
	struct event_base *base;
	const char *host;
	struct event *term;
	struct event *interrupt;
	bool leaves;            /* when it is told to end */
	unsigned leave_tries;   /* since then */
	struct event *leaving;  /* the next one */
	struct event *watchdog; /* NULL unless systemd asks for it */
	struct agent *agent;
};

static int usage(const char *reason, const char *value)
{
	(void)fprintf(stderr, "fabric-agent: %s%s (see fabric-agent --help)\n", reason, value);
	return EXIT_USAGE;
}

/* ---- options ---- */

static int number_parse(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

/* Return: -1 to go on, else the exit code. */
static int number_take(struct options *o, int option)
{
	unsigned long n;

	if (option == 'i') {
		if (number_parse(optarg, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &n))
			return usage("--interval-ms takes 10 to 60000, not ", optarg);
		o->agent.interval_ms = n;
		return -1;
	}
	if (number_parse(optarg, 100, HOOK_MAX_MS, &n))
		return usage("--hook-ms takes 100 to 600000, not ", optarg);
	o->agent.hook_ms = (uint32_t)n;
	return -1;
}

static int level_take(struct options *o)
{
	int level = log_level_parse(optarg);

	if (level < 0)
		return usage("no such log level: ", optarg);
	o->level = (enum log_level)level;
	return -1;
}

static int option_take(struct options *o, int option)
{
	switch (option) {
	case 'H':
		o->host = optarg;
		return -1;
	case 's':
		o->socket = optarg;
		return -1;
	case 'p':
		o->serial = optarg;
		return -1;
	case 'u':
		if (o->udp_count == AGENT_UDP)
			return usage("more than four ways by UDP: ", optarg);
		o->udp[o->udp_count++] = optarg;
		return -1;
	case 'D':
		o->datagram = optarg;
		return -1;
	case 'k':
		o->agent.key_file = optarg;
		return -1;
	case 'd':
		o->agent.hooks = optarg;
		return -1;
	case 'y':
		o->agent.sysfs = optarg;
		return -1;
	case 'S':
		o->agent.state = optarg;
		return -1;
	case 'b':
		o->boot_id = optarg;
		return -1;
	case 'L':
		o->leaves = true;
		return -1;
	case 'i':
	case 'm':
		return number_take(o, option);
	case 'l':
		return level_take(o);
	case 'h':
		return fputs(help, stdout) < 0 ? EXIT_FAILED : 0;
	case 'V':
		return puts("fabric-agent " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
	default:
		return usage("bad option", "");
	}
}

static int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "serial", required_argument, NULL, 'p' },
		{ "udp", required_argument, NULL, 'u' },
		{ "datagram", required_argument, NULL, 'D' },
		{ "socket", required_argument, NULL, 's' },
		{ "key-file", required_argument, NULL, 'k' },
		{ "interval-ms", required_argument, NULL, 'i' },
		{ "hooks", required_argument, NULL, 'd' },
		{ "hook-ms", required_argument, NULL, 'm' },
		{ "sysfs", required_argument, NULL, 'y' },
		{ "state", required_argument, NULL, 'S' },
		{ "leave", no_argument, NULL, 'L' },
		{ "boot-id", required_argument, NULL, 'b' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		int r = option_take(o, option);

		if (r >= 0)
			return r;
	}
	return optind < argc ? usage("unexpected: ", argv[optind]) : -1;
}

/* ---- what follows from them ---- */

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static int host_find(struct options *o)
{
	char *host = o->agent.host;

	if (!o->host) {
		/* Cut where it is too long: then the manager does not know it, and says so. */
		if (gethostname(host, AGENT_HOST_MAX - 1))
			return usage("--host is missing, and this machine has no name", "");
		host[AGENT_HOST_MAX - 1] = '\0';
		return -1;
	}
	if (!*o->host)
		return usage("--host is empty", "");
	if (strlen(o->host) >= AGENT_HOST_MAX)
		return usage("host id is longer than 63 bytes: ", o->host);
	memcpy(host, o->host, strlen(o->host) + 1);
	return -1;
}

static void way_add(struct agent_config *c, const struct transport_ops *ops, const char *where)
{
	if (!where)
		return;
	c->ways[c->way_count].ops = ops;
	c->ways[c->way_count++].where = where;
}

static void ways_find(struct options *o)
{
	char device[128];

	way_add(&o->agent, &transport_serial, o->serial);
	for (size_t i = 0; i < o->udp_count; i++)
		way_add(&o->agent, &transport_udp, o->udp[i]);
	way_add(&o->agent, &transport_datagram, o->datagram);
	way_add(&o->agent, &transport_http, o->socket);
	if (o->agent.way_count)
		return;
	if (!serial_port_find(o->agent.sysfs ? o->agent.sysfs : "/sys", default_port, device))
		way_add(&o->agent, &transport_serial, default_port);
	else
		way_add(&o->agent, &transport_http, default_socket);
}

static int boot_id_find(struct options *o)
{
	char *out = o->agent.boot_id;

	if (o->boot_id) {
		if (!agent_uuid_is(o->boot_id))
			return usage("not a UUID: ", o->boot_id);
		memcpy(out, o->boot_id, AGENT_BOOT_ID_MAX);
		return -1;
	}
	clock_boot_id(out);
	if (agent_uuid_is(out))
		return -1;
	log_err("boot id: /proc/sys/kernel/random/boot_id cannot be read");
	return EXIT_FAILED;
}

/* ---- running ---- */

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	notify("WATCHDOG=1"); /* if it is lost, systemd restarts the agent: harmless */
}

static void on_leaving(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval again = { .tv_usec = LEAVE_MS * 1000 };
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (!agent_is_fenced(d->agent) && d->leave_tries++ < LEAVE_TRIES && agent_leave(d->agent) &&
	    !event_add(d->leaving, &again))
		return;
	if (!agent_is_fenced(d->agent))
		log_warning("host %s: fabricd did not answer that it leaves; its silence will tell",
			    d->host);
	event_base_loopbreak(d->base);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	notify("STOPPING=1");
	if (fd == SIGTERM && d->leaves && !d->leave_tries) {
		log_notice("host %s: leaving", d->host);
		event_active(d->leaving, EV_TIMEOUT, 1);
		return;
	}
	log_notice("host %s: stopping; no more beats", d->host);
	event_base_loopbreak(d->base);
}

static int watchdog_start(struct daemon *d)
{
	uint64_t usec = notify_watchdog_us() / 3;
	struct timeval tv = { .tv_sec = (time_t)(usec / 1000000),
			      .tv_usec = (suseconds_t)(usec % 1000000) };

	if (!usec)
		return 0;
	d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, NULL);
	return d->watchdog && !event_add(d->watchdog, &tv) ? 0 : -ENOMEM;
}

static int daemon_open(struct daemon *d, const struct agent_config *config)
{
	int r;

	d->base = event_base_new();
	if (!d->base)
		return -ENOMEM;
	d->term = evsignal_new(d->base, SIGTERM, on_signal, d);
	d->interrupt = evsignal_new(d->base, SIGINT, on_signal, d);
	d->leaving = evtimer_new(d->base, on_leaving, d);
	if (!d->term || !d->interrupt || !d->leaving || event_add(d->term, NULL) ||
	    event_add(d->interrupt, NULL))
		return -ENOMEM;
	r = watchdog_start(d);
	return r ? r : agent_new(d->base, config, &d->agent);
}

static void event_done(struct event *event)
{
	if (event)
		event_free(event);
}

static int daemon_run(struct daemon *d, const struct agent_config *config)
{
	int r = daemon_open(d, config);

	if (!r) {
		/* Ready means beating or trying to: a blade must boot without its manager too. */
		notify("READY=1\nSTATUS=connecting");
		r = event_base_dispatch(d->base) < 0 ? -EIO : 0;
	}
	agent_free(d->agent);
	event_done(d->term);
	event_done(d->interrupt);
	event_done(d->watchdog);
	event_done(d->leaving);
	if (d->base)
		event_base_free(d->base);
	return r;
}

int main(int argc, char **argv)
{
	static struct options o = { .level = LOG_LEVEL_NOTICE };
	struct daemon d = { .host = o.agent.host };
	int r;

	o.host = environment("FABRIC_HOST", NULL);
	o.socket = environment("FABRIC_SOCKET", NULL);
	o.boot_id = environment("FABRIC_BOOT_ID", NULL);
	o.agent.sysfs = environment("FABRIC_SYSFS", "/sys");
	o.agent.state = environment("FABRIC_STATE", NULL);
	o.agent.hooks = "/etc/fabric-agent/hooks.d";
	o.agent.interval_ms = 1000;
	o.agent.hook_ms = 10000;
	r = options_parse(argc, argv, &o);
	if (r < 0)
		r = host_find(&o);
	if (r >= 0)
		return r;
	log_setup("fabric-agent", o.level);
	r = boot_id_find(&o);
	if (r >= 0)
		return r;
	if (!strcmp(o.agent.sysfs, "none"))
		o.agent.sysfs = NULL;
	ways_find(&o);
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	d.leaves = o.leaves;
	r = datagram_setup();
	if (!r)
		r = daemon_run(&d, &o.agent);
	if (r == -EINVAL || r == -ENAMETOOLONG) /* what is wrong with an option was said */
		return EXIT_USAGE;
	if (r)
		log_err("host %s: %s", o.agent.host, strerror(-r));
	return r ? EXIT_FAILED : 0;
}
