/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabric-agent: tells fabricd, once in every interval, that this host is alive. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/beat.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	EXIT_USAGE = 2,
	EXIT_FAILED = 4,
	INTERVAL_MIN_MS = 10,
	INTERVAL_MAX_MS = 60000,
	HOST_MAX = 128,
	UUID_LENGTH = 36,
};

static const char help[] =
	"usage: fabric-agent --host ID [--socket PATH] [--interval-ms N]\n"
	"\n"
	"Sends the beats of this host to fabricd, for as long as it runs.\n"
	"\n"
	"  --host ID         id of this host in the fabric, as in 'fabricctl host list'\n"
	"                    (environment: FABRIC_HOST)\n"
	"  --socket PATH     fabricd's control socket; /run/fabricd/fabricd.sock unless given\n"
	"                    (environment: FABRIC_SOCKET)\n"
	"  --interval-ms N   time between two beats, 10 to 60000; 1000 unless given\n"
	"  --boot-id UUID    in place of the kernel's boot id, for tests\n"
	"                    (environment: FABRIC_BOOT_ID)\n"
	"  --log-level NAME  err, warning, notice, info or debug; notice unless given\n"
	"  --help, --version\n"
	"\n"
	"Example: fabric-agent --host bay7\n"
	"\n"
	"Ends on SIGTERM, with 0. Exit codes: 2 usage, 4 failed on the way.\n";

struct options {
	const char *host;
	const char *socket;
	const char *boot_id;
	uint64_t interval_ms;
	enum log_level level;
};

struct agent {
	struct options options;
	char boot_id[UUID_LENGTH + 1];
	struct event_base *base;
	struct event *timer;
	struct event *watchdog; /* NULL unless systemd asks for it */
	struct bufferevent *link;
	struct beat beat;
	bool away; /* and said so */
};

static int usage(const char *reason, const char *value)
{
	(void)fprintf(stderr, "fabric-agent: %s%s (see fabric-agent --help)\n", reason, value);
	return EXIT_USAGE;
}

/* ---- the connection ---- */

static void agent_drive(struct agent *agent, enum beat_event event);

/* Said once for each time that the daemon goes away. */
static void agent_say_away(struct agent *agent, int error)
{
	if (agent->away)
		return;
	agent->away = true;
	log_warning("fabricd: not reached at %s: %s%s; trying again until it is",
		    agent->options.socket, strerror(error),
		    error == EACCES ? " (is this user in group fabric-op?)" : "");
	(void)sd_notify(0, "STATUS=fabricd is away"); /* for show only */
}

static void agent_say(struct agent *agent, enum beat_news news, const struct answer *answer)
{
	const char *host = agent->options.host;
	uint64_t epoch = 0;

	if (agent->away)
		log_notice("fabricd: reached again");
	agent->away = false;
	switch (news) {
	case BEAT_NO_NEWS:
		return;
	case BEAT_FENCED:
		if (answer_epoch_find(answer, &epoch))
			epoch = 0;
		log_err("host %s: FENCED, epoch %" PRIu64
			": its adapters are taken away; readmit it once it is repaired",
			host, epoch);
		(void)sd_notifyf(0, "STATUS=FENCED, epoch %" PRIu64, epoch); /* for show only */
		return;
	case BEAT_READMITTED:
		log_notice("host %s: readmitted, beating again", host);
		break;
	case BEAT_ACCEPTED:
		log_notice("host %s: beating every %" PRIu64 " ms", host,
			   agent->options.interval_ms);
		break;
	case BEAT_REFUSED:
		log_warning("host %s: beats are refused with %u: %.*s", host, answer->status,
			    (int)(answer->body_length < 256 ? answer->body_length : 256),
			    (const char *)answer->body);
		(void)sd_notifyf(0, "STATUS=beats are refused with %u", answer->status);
		return;
	}
	(void)sd_notify(0, "STATUS=beating"); /* for show only */
}

static bool is_fenced(const struct answer *answer)
{
	return answer->status == 409 && answer->body_length &&
	       memmem(answer->body, answer->body_length, "host-fenced", 11);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct agent *agent = arg;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t length = evbuffer_get_length(input);
	struct answer answer;
	int r = answer_parse(evbuffer_pullup(input, -1), length, &answer);

	if (r == -EAGAIN)
		return;
	if (r || agent->beat.link != BEAT_WAITING) {
		log_warning("fabricd: an answer that is not understood; connecting anew");
		agent_drive(agent, BEAT_LOST);
		return;
	}
	agent_say(agent, beat_judge(&agent->beat, answer.status, is_fenced(&answer)), &answer);
	evbuffer_drain(input, answer.length);
	agent_drive(agent, BEAT_ANSWERED);
	if (answer.close)
		agent_drive(agent, BEAT_LOST);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct agent *agent = arg;

	(void)bev;
	agent_say_away(agent, what & BEV_EVENT_EOF ? ECONNRESET : EVUTIL_SOCKET_ERROR());
	agent_drive(agent, BEAT_LOST);
}

/* Connecting to a Unix socket is done or refused at once. */
static int socket_open(const char *path, evutil_socket_t *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1); /* its length is checked at the start */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	*out = fd;
	return 0;
}

static int agent_connect(struct agent *agent)
{
	evutil_socket_t fd = -1;
	int r = socket_open(agent->options.socket, &fd);

	if (r)
		return r;
	agent->link = bufferevent_socket_new(agent->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!agent->link) {
		close(fd);
		return -ENOMEM;
	}
	bufferevent_setcb(agent->link, on_read, NULL, on_event, agent);
	bufferevent_setwatermark(agent->link, EV_READ, 0, ANSWER_HEAD_MAX + ANSWER_BODY_MAX);
	return bufferevent_enable(agent->link, EV_READ | EV_WRITE) ? -EIO : 0;
}

static void agent_drop(struct agent *agent)
{
	if (agent->link)
		bufferevent_free(agent->link);
	agent->link = NULL;
}

static void agent_send(struct agent *agent)
{
	OWNED(buf_done) struct buf request = { 0 };

	answer_request_format(&request, agent->options.host, agent->boot_id, agent->beat.seq);
	if (request.failed || bufferevent_write(agent->link, request.data, request.length))
		log_warning("host %s: no memory for a beat", agent->options.host);
}

static void agent_arm(struct agent *agent)
{
	uint64_t now = clock_boot_ms();
	uint64_t wake = beat_wake_ms(&agent->beat);
	uint64_t wait = wake > now ? wake - now : 0;
	struct timeval tv = { .tv_sec = (time_t)(wait / 1000),
			      .tv_usec = (suseconds_t)(wait % 1000 * 1000) };

	event_add(agent->timer, &tv);
}

static void agent_drive(struct agent *agent, enum beat_event event)
{
	int r;

	if (event == BEAT_TIMER && agent->beat.link == BEAT_WAITING)
		agent_say_away(agent, ETIMEDOUT);
	switch (beat_step(&agent->beat, event, clock_boot_ms())) {
	case BEAT_CONNECT:
		r = agent_connect(agent);
		if (r)
			agent_say_away(agent, -r);
		agent_drive(agent, r ? BEAT_LOST : BEAT_CONNECTED);
		return;
	case BEAT_SEND:
		agent_send(agent);
		break;
	case BEAT_DROP:
		agent_drop(agent);
		break;
	case BEAT_DO_NOTHING:
		break;
	}
	agent_arm(agent);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	agent_drive(arg, BEAT_TIMER);
}

/* ---- around it ---- */

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	(void)sd_notify(0, "WATCHDOG=1"); /* if it is lost, systemd restarts the agent: harmless */
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	log_notice("host %s: stopping; no more beats", agent->options.host);
	(void)sd_notify(0, "STOPPING=1"); /* for show only */
	event_base_loopbreak(agent->base);
}

static int watchdog_start(struct agent *agent)
{
	uint64_t usec = 0;
	struct timeval tv;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	usec /= 3;
	tv = (struct timeval){ .tv_sec = (time_t)(usec / 1000000),
			       .tv_usec = (suseconds_t)(usec % 1000000) };
	agent->watchdog = event_new(agent->base, -1, EV_PERSIST, on_watchdog, NULL);
	return agent->watchdog && !event_add(agent->watchdog, &tv) ? 0 : -ENOMEM;
}

static int agent_run(struct agent *agent)
{
	struct event *term = evsignal_new(agent->base, SIGTERM, on_signal, agent);
	struct event *interrupt = evsignal_new(agent->base, SIGINT, on_signal, agent);
	int r = -ENOMEM;

	agent->timer = evtimer_new(agent->base, on_timer, agent);
	if (term && interrupt && agent->timer && !event_add(term, NULL) &&
	    !event_add(interrupt, NULL) && !watchdog_start(agent)) {
		/* Ready means beating or trying to: a blade must boot without its manager too. */
		(void)sd_notify(0, "READY=1\nSTATUS=connecting");
		agent_arm(agent);
		r = event_base_dispatch(agent->base) < 0 ? -EIO : 0;
	}
	agent_drop(agent);
	if (term)
		event_free(term);
	if (interrupt)
		event_free(interrupt);
	if (agent->timer)
		event_free(agent->timer);
	if (agent->watchdog)
		event_free(agent->watchdog);
	return r;
}

static bool is_uuid(const char *text)
{
	if (strlen(text) != UUID_LENGTH)
		return false;
	for (size_t i = 0; i < UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	}
	return true;
}

static int boot_id_find(struct agent *agent)
{
	const char *given = agent->options.boot_id;
	FILE *file;

	if (given) {
		(void)snprintf(agent->boot_id, sizeof(agent->boot_id), "%s", given);
		return is_uuid(given) ? 0 : -EINVAL;
	}
	file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file)
		return -errno;
	if (!fgets(agent->boot_id, sizeof(agent->boot_id), file))
		agent->boot_id[0] = '\0';
	(void)fclose(file); /* was only read */
	return is_uuid(agent->boot_id) ? 0 : -EBADMSG;
}

static int interval_parse(const char *text, uint64_t *ms)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value < INTERVAL_MIN_MS || value > INTERVAL_MAX_MS)
		return -EINVAL;
	*ms = value;
	return 0;
}

/* Return: -1 to go on, else the exit code. */
static int option_take(struct options *o, int option)
{
	int level;

	switch (option) {
	case 'H':
		o->host = optarg;
		return -1;
	case 's':
		o->socket = optarg;
		return -1;
	case 'b':
		o->boot_id = optarg;
		return -1;
	case 'i':
		if (interval_parse(optarg, &o->interval_ms))
			return usage("--interval-ms takes 10 to 60000, not ", optarg);
		return -1;
	case 'l':
		level = log_level_parse(optarg);
		if (level < 0)
			return usage("no such log level: ", optarg);
		o->level = (enum log_level)level;
		return -1;
	case 'h':
		return fputs(help, stdout) < 0 ? EXIT_FAILED : 0;
	case 'V':
		return puts("fabric-agent " FABRIC_VERSION) < 0 ? EXIT_FAILED : 0;
	default:
		return usage("bad option", "");
	}
}

static int options_check(const struct options *o)
{
	const struct sockaddr_un *address = NULL;

	if (!o->host || !*o->host)
		return usage("--host is missing", "");
	if (strlen(o->host) > HOST_MAX)
		return usage("host id is longer than 128 bytes: ", o->host);
	if (strlen(o->socket) >= sizeof(address->sun_path))
		return usage("path of the socket is too long: ", o->socket);
	return -1;
}

static int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "socket", required_argument, NULL, 's' },
		{ "interval-ms", required_argument, NULL, 'i' },
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
	if (optind < argc)
		return usage("unexpected: ", argv[optind]);
	return options_check(o);
}

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

int main(int argc, char **argv)
{
	struct agent agent = { .options = {
				       .host = environment("FABRIC_HOST", NULL),
				       .socket = environment("FABRIC_SOCKET",
							     "/run/fabricd/fabricd.sock"),
				       .boot_id = environment("FABRIC_BOOT_ID", NULL),
				       .interval_ms = 1000,
				       .level = LOG_LEVEL_NOTICE,
			       } };
	uint64_t now = clock_boot_ms();
	int r = options_parse(argc, argv, &agent.options);

	if (r >= 0)
		return r;
	log_setup("fabric-agent", agent.options.level);
	r = boot_id_find(&agent);
	if (r == -EINVAL)
		return usage("not a UUID: ", agent.options.boot_id);
	if (r) {
		log_err("boot id: %s", strerror(-r));
		return EXIT_FAILED;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	/* From the time since boot, so that an agent that is started again still counts upwards:
	 * it sends at most one beat in 10 ms. */
	beat_init(&agent.beat, agent.options.interval_ms, now, now);
	agent.base = event_base_new();
	r = agent.base ? agent_run(&agent) : -ENOMEM;
	if (agent.base)
		event_base_free(agent.base);
	if (r)
		log_err("event loop: %s", strerror(-r));
	return r ? EXIT_FAILED : 0;
}
