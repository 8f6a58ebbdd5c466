/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabricd: wires the brain (fabric.h) to the database's writer, the providers, the control socket,
 * systemd and the clock. Nothing is decided here.
 *
 * One turn of the loop takes in all that has arrived, then lets providers and the fabric act on
 * the time that it is: so no verdict is given while a beat lies unread (S3).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "api/api.h"
#include "common/clock.h"
#include "common/log.h"
#include "db/writer.h"
#include "fabricd/channel.h"
#include "fabricd/datagrams.h"
#include "fabricd/fabric.h"
#include "fabricd/fence_program.h"
#include "fabricd/hooks.h"
#include "fabricd/listen.h"
#include "fabricd/options.h"
#include "fabricd/seen_rows.h"
#include "provider/client.h"
#ifdef FABRIC_ABORT_POINTS
#include "fabricd/abort_point.h"
#endif

enum {
	EXIT_REFUSED = 1,
	EXIT_FAILED = 4,
	DRAIN_TURNS = 16,       /* looks at the sockets before the fabric acts, at most */
	THAW_AGAIN_MS = 600000, /* a thaw so soon after another one waits, longer each time */
	THAW_WAIT_MS = 60000,
};

struct daemon {
	struct options options;
	struct config config;
	struct event_base *base;
	struct db *db;
	struct db_writer *writer;
	struct fabric *fabric;
	char boot_id[CLOCK_BOOT_ID_MAX];
	struct provider *providers[CONFIG_PROVIDERS];
	size_t provider_count;
	struct api *api;
	struct fence_programs *fences;
	struct hooks *hooks;
	struct channels *channels;
	struct datagrams *datagrams;
	char keys[DB_TEXT_MAX];
	/* folder of enrolled hosts' keys */ /* NULL unless the configuration names an
						address */
	struct event *timer;
	struct event *written;
	struct event *watchdog; /* NULL unless systemd asks for it */
	struct event *signals[3];
	bool stopping;
	int handed_over; /* listening socket of systemd; -1: none. It outlives a thaw */
	/* S15: the database was written anew, and all begins again from it. */
	struct {
		bool is_wanted;
		char why[DB_TEXT_MAX]; /* that it was frozen for; "" */
		uint64_t for_ms;
		uint64_t last_ms; /* when the last one was; 0: never */
		uint64_t wait_ms; /* before the database is written anew for the next one */
	} thaw;
};

/* ---- what the fabric is given ---- */

static uint64_t io_now_ms(void *arg)
{
	(void)arg;
	return clock_boot_ms();
}

static uint64_t io_wall_ms(void *arg)
{
	(void)arg;
	return clock_wall_ms();
}

static void io_submit_take(void *arg, struct db_batch *batch, uint64_t cookie)
{
	struct daemon *d = arg;

#ifdef FABRIC_ABORT_POINTS
	if (abort_point_holds_journal())
		return;
#endif
	db_writer_submit_take(d->writer, batch, cookie);
}

static uint64_t io_db_waiting_since_ms(void *arg)
{
	struct daemon *d = arg;

	return db_writer_waiting_since_ms(d->writer);
}

static void on_backed_up(void *arg, int r, const char *why)
{
	struct daemon *d = arg;

	if (d->fabric)
		fabric_backed_up(d->fabric, r, why);
}

static int io_backup(void *arg, const char *file)
{
	struct daemon *d = arg;

	return db_writer_backup(d->writer, file, on_backed_up, d);
}

static int io_host_enroll(void *arg, const char *host, bool force, char key[static 65])
{
	struct daemon *d = arg;

	return d->datagrams ? datagrams_enroll(d->datagrams, host, force, key) : -ENOTCONN;
}

static void io_published(void *arg, const struct db_event *event)
{
	struct daemon *d = arg;

	if (d->api)
		api_publish(d->api, event);
	/* Its power or its link has changed: if it is back, so may be its agent's port. */
	if (d->channels && !strcmp(event->type, "host.switch"))
		channels_wake(d->channels, event->subject);
}

static int io_agent_ask(void *arg, const char *host, const struct fabric_ask *ask)
{
	struct daemon *d = arg;
	struct agent_line leave;

	if (!d->channels)
		return -ENOTCONN;
	seen_leave_make(ask, &leave);
	return channels_ask(d->channels, host, &leave);
}

static int io_fence_run(void *arg, uint64_t cookie, const char *host, const char *action)
{
	struct daemon *d = arg;
	const struct config_fence *fence = config_fence_find(&d->config, host);

	return fence ? fence_program_run(d->fences, cookie, fence, action) : -ENOENT;
}

static void on_fence(void *arg, uint64_t cookie, int code, const char *text)
{
	struct daemon *d = arg;

	if (d->fabric)
		fabric_fence_answered(d->fabric, cookie, code, text);
}

static int io_step(void *arg, const struct fabric_incident *incident, const struct db_step *step)
{
	struct daemon *d = arg;
	const struct hooks_step told = { .incident = incident->row.id,
					 .n = step->n,
					 .wall_ms = step->wall_ms,
					 .offset_ms = step->offset_ms,
					 .host = incident->row.host,
					 .state = fabric_incident_state_text(incident->row.state),
					 .cause = incident->row.cause,
					 .what = step->what,
					 .detail = step->detail,
					 .target = incident->row.target,
					 .change = incident->row.change,
					 .drill = incident->row.drill };

	if (!strcmp(d->config.hooks, CONFIG_NONE))
		return 0;
	return hooks_run(d->hooks, d->config.hooks, d->config.hook_deadline_ms, &told);
}

static void on_hook(void *arg, uint64_t incident, const char *text)
{
	struct daemon *d = arg;

	if (d->fabric)
		fabric_hook_told(d->fabric, incident, text);
}

static void on_batch(void *arg, uint64_t cookie, int r, const char *why)
{
	struct daemon *d = arg;

	if (d->fabric)
		fabric_written(d->fabric, cookie, r, why);
}

/* ---- what agents say ---- */

static int on_agent_beat(void *arg, const char *host, const char *boot_id, uint64_t seq,
			 uint64_t received_ms, uint64_t *epoch)
{
	struct daemon *d = arg;
	int r = fabric_beat(d->fabric, host, boot_id, seq, received_ms, epoch);

	return r == REFUSE_FIELD ? fabric_beat_answer(d->fabric, host) : r;
}

static int on_agent_leaving(void *arg, const char *host, const char *boot_id, uint64_t seq,
			    uint64_t received_ms, uint64_t *epoch)
{
	struct daemon *d = arg;
	int r = fabric_leaving(d->fabric, host, boot_id, seq, received_ms, epoch);

	return r == REFUSE_FIELD ? fabric_beat_answer(d->fabric, host) : r;
}

static void on_agent_told(void *arg, const char *host, uint64_t epoch)
{
	struct daemon *d = arg;

	fabric_epoch_told(d->fabric, host, epoch);
}

static void on_agent_heard(void *arg, const char *host, const char *way, enum beat_kind kind,
			   uint64_t received_ms)
{
	struct daemon *d = arg;

	fabric_beat_heard(d->fabric, host, way, kind, received_ms);
}

static void on_agent_seen(void *arg, const char *host, const struct agent_line *line)
{
	struct daemon *d = arg;
	struct fabric_seen *rows = NULL;
	size_t count = 0;
	int r = seen_rows_make(line, &rows, &count);

	if (!r)
		r = fabric_host_seen(d->fabric, host, line->boot_id, rows, count);
	free(rows);
	if (r)
		log_warning("host %s: its view is not taken: %s", host,
			    r > 0 ? refusal_text(r) : strerror(-r));
}

static void on_agent_stopped(void *arg, const char *host, const struct agent_line *line)
{
	struct daemon *d = arg;

	fabric_agent_stopped(d->fabric, host, line->boot_id, line->epoch, line->stopped,
			     line->still, line->text);
}

static void on_agent_left(void *arg, const char *host, const struct agent_line *line)
{
	struct daemon *d = arg;

	fabric_agent_answered(d->fabric, host, line->id, seen_outcome(line->outcome), line->text);
}

static void on_agent_hint(void *arg, const char *host, const char *what)
{
	struct daemon *d = arg;

	fabric_host_hint(d->fabric, host, what);
}

/* ---- events ---- */

static void on_written(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	struct db_trouble trouble;
	char text[DB_TEXT_MAX];

	(void)fd;
	(void)what;
	db_writer_reap(d->writer);
	if (!db_writer_trouble(d->writer, &trouble))
		return;
	d->thaw.is_wanted = trouble.is_renewed;
	(void)snprintf(text, sizeof(text),
		       "it is written anew, and fabricd goes on by itself once that works; tried "
		       "%u times: %.300s",
		       trouble.tries, trouble.why);
	fabric_trouble(d->fabric, text);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* only ends the wait; the turn does the rest */
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	(void)sd_notify(0,
			"WATCHDOG=1"); /* lost: systemd restarts us, and the journal is replayed */
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	log_notice("daemon: %s: stopping; the fabric stays as it is", strsignal((int)fd));
	d->stopping = true;
}

static void on_reload(evutil_socket_t fd, short what, void *arg);

/* ---- one turn ---- */

static uint64_t daemon_next_ms(const struct daemon *d)
{
	uint64_t next = fabric_next_ms(d->fabric);

	for (size_t i = 0; i < d->provider_count; i++) {
		uint64_t at = d->providers[i]->ops->next_ms(d->providers[i]);

		if (at < next)
			next = at;
	}
	return next;
}

static int daemon_wait(struct daemon *d)
{
	uint64_t next = daemon_next_ms(d);
	struct timeval tv = clock_timeval_until(next);

	if (next != UINT64_MAX && event_add(d->timer, &tv))
		return -ENOMEM;
	return event_base_loop(d->base, EVLOOP_ONCE) < 0 ? -EIO : 0;
}

/* S3: libevent hands out a limited number of sockets at a time. */
static int daemon_drain(struct daemon *d)
{
	for (int i = 0; i < DRAIN_TURNS && !d->stopping; i++) {
		if (event_base_loop(d->base, EVLOOP_NONBLOCK) < 0)
			return -EIO;
		if (!event_base_get_num_events(d->base, EVENT_BASE_COUNT_ACTIVE))
			break;
	}
	if (d->datagrams)
		datagrams_drain(d->datagrams);
	return 0;
}

static void daemon_act(struct daemon *d)
{
	uint64_t now = clock_boot_ms();

	for (size_t i = 0; i < d->provider_count; i++)
		if (d->providers[i]->ops->next_ms(d->providers[i]) <= now)
			d->providers[i]->ops->advance(d->providers[i], now);
	if (fabric_next_ms(d->fabric) <= now)
		fabric_advance(d->fabric);
}

static int daemon_run(struct daemon *d)
{
	while (!d->stopping && !d->thaw.is_wanted) {
		int r = daemon_wait(d);
		bool is_due = !r && daemon_next_ms(d) <= clock_boot_ms();

		if (is_due)
			r = daemon_drain(d);
		if (r)
			return r;
		if (is_due && !d->stopping)
			daemon_act(d);
	}
	return 0;
}

/* ---- the configuration ---- */

static int config_read(const struct options *o, char *why, struct config *out)
{
	int r = config_load(o->config, why, out);

	if (r == -ENOENT && !o->config_is_given) {
		log_notice("configuration: %s is not there; every key has its default", o->config);
		config_init(out);
		r = 0;
	}
	if (!r && options_apply(o, out)) {
		(void)snprintf(why, DB_TEXT_MAX, "more than %d providers", CONFIG_PROVIDERS);
		r = REFUSE_FIELD;
	}
	return r;
}

/* What cannot change while we run; NULL: nothing of it has changed. */
static const char *config_fixed(const struct config *a, const struct config *b)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++) {
		char was[128];
		char is[128];

		config_format(a, &keys[i], was);
		config_format(b, &keys[i], is);
		if (keys[i].at_start && strcmp(was, is) != 0)
			return keys[i].name;
	}
	if (a->provider_count != b->provider_count)
		return "the list of providers";
	for (size_t i = 0; i < a->provider_count; i++)
		if (strcmp(a->providers[i].name, b->providers[i].name) != 0 ||
		    strcmp(a->providers[i].socket, b->providers[i].socket) != 0)
			return "the list of providers";
	return NULL;
}

/* A parameters file is read when it is needed; a mistake in it should not wait until then. */
static void fences_check(const struct config *config)
{
	static char input[FENCE_PROGRAM_FILE_MAX + 64];
	char why[FENCE_PROGRAM_TEXT_MAX];
	size_t length;

	for (size_t i = 0; i < config->fence_count; i++)
		if (fence_program_input(config->fences[i].parameters, "status", input, &length,
					why))
			log_err("fence %s: %s", config->fences[i].host, why);
	explicit_bzero(input, sizeof(input));
}

static void hooks_check(const struct config *config)
{
	char why[HOOKS_TEXT_MAX];

	if (strcmp(config->hooks, CONFIG_NONE) != 0 && !hooks_are_good(config->hooks, why))
		log_err("hooks: %s", why);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct config *config = malloc(sizeof(*config));
	char why[DB_TEXT_MAX] = "no memory";
	const char *fixed;

	(void)fd;
	(void)what;
	if (!config || config_read(&d->options, why, config)) {
		log_err("configuration: stays as it was: %s", why);
		free(config);
		return;
	}
	fixed = config_fixed(&d->config, config);
	if (fixed) {
		log_err("configuration: stays as it was: %s cannot change without a restart",
			fixed);
	} else {
		d->config = *config;
		fabric_configure(d->fabric, config);
		if (channels_configure(d->channels, config) ||
		    (d->datagrams && datagrams_configure(d->datagrams, config)))
			log_err("agents: no memory: not all of them are heard");
		fences_check(config);
		hooks_check(config);
		log_notice("configuration: read again from %s", d->options.config);
	}
	free(config);
}

/* ---- start and end ---- */

static int daemon_open_base(struct daemon *d)
{
	struct event_config *config = event_config_new();

	/* One clock for timers that is good to a microsecond: beats may be 100 ms apart. */
	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER))
		d->base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return d->base ? 0 : -ENOMEM;
}

static int daemon_open_db(struct daemon *d)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_open(d->options.db, why, &d->db);

	if (!r)
		r = db_writer_new(d->db, on_batch, d, &d->writer);
	if (!r)
		db_writer_renew_after(d->writer, d->thaw.wait_ms);
	if (r)
		log_err("database: %s", why[0] ? why : strerror(-r));
	return r;
}

static int daemon_open_fabric(struct daemon *d)
{
	const struct fabric_io io = { .now_ms = io_now_ms,
				      .boot_id = d->boot_id,
				      .wall_ms = io_wall_ms,
				      .submit_take = io_submit_take,
				      .db_waiting_since_ms = io_db_waiting_since_ms,
				      .backup = io_backup,
				      .host_enroll = datagrams_are_wanted(&d->config)
							     ? io_host_enroll
							     : NULL,
				      .published = io_published,
				      .fence_run = io_fence_run,
				      .agent_ask = io_agent_ask,
				      .step = io_step,
#ifdef FABRIC_ABORT_POINTS
				      .point = abort_point,
#endif
				      .arg = d };
	char why[DB_TEXT_MAX] = "";
	int r = fence_programs_new(d->base, on_fence, d, &d->fences);

	clock_boot_id(d->boot_id);
	if (!r)
		r = hooks_new(d->base, on_hook, d, &d->hooks);
	if (!r)
		r = fabric_new(&d->config, &io, &d->fabric);
	if (!r)
		r = fabric_load(d->fabric, d->db, why);
	if (r)
		log_err("database: %s", why[0] ? why : strerror(-r));
	return r;
}

static int daemon_open_provider(struct daemon *d, size_t i)
{
	const char *name = d->config.providers[i].name;
	struct provider_sink sink;
	unsigned number;
	int r = fabric_provider_add(d->fabric, name, &sink, &number);

	if (!r)
		r = provider_client_open(d->base, name, d->config.providers[i].socket, &sink,
					 &d->providers[i]);
	if (r) {
		log_err("provider %s: %s", name, strerror(-r));
		return r;
	}
	fabric_provider_set(d->fabric, number, d->providers[i]);
	d->provider_count = i + 1;
	return 0;
}

static int daemon_open_agents(struct daemon *d)
{
	const struct channel_sink sink = { .beat = on_agent_beat,
					   .leaving = on_agent_leaving,
					   .told = on_agent_told,
					   .heard = on_agent_heard,
					   .seen = on_agent_seen,
					   .stopped = on_agent_stopped,
					   .left = on_agent_left,
					   .hint = on_agent_hint,
					   .arg = d };
	const char *slash = strrchr(d->options.db, '/');
	char why[DB_TEXT_MAX] = "no memory";
	int r = channels_new(d->base, &d->config, fabric_incarnation(d->fabric), &sink,
			     &d->channels);

	(void)snprintf(d->keys, sizeof(d->keys), "%.*s%s", slash ? (int)(slash - d->options.db) : 1,
		       slash ? d->options.db : ".", "/keys");
	if (!r && datagrams_are_wanted(&d->config))
		r = datagrams_new(d->base, &d->config, fabric_incarnation(d->fabric), d->keys,
				  &sink, why, &d->datagrams);
	if (r)
		log_err("agents: %s", why);
	return r;
}

static int daemon_open_api(struct daemon *d)
{
	struct api_config config = { .path = d->options.socket, .fd = -1 };
	char why[DB_TEXT_MAX] = "";
	int r = d->thaw.last_ms ? 0 : listen_handed_over(why, &d->handed_over);

	if (!r && d->handed_over >= 0) {
		config.path = NULL;
		config.fd = fcntl(d->handed_over, F_DUPFD_CLOEXEC, 0);
		if (config.fd < 0)
			r = -errno;
	}
	if (!r)
		r = api_new(d->base, d->fabric, &config, why, &d->api);
	if (r)
		log_err("control socket: %s", why);
	return r;
}

static int daemon_open_events(struct daemon *d)
{
	static const struct {
		int number;
		event_callback_fn fn;
	} signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
	uint64_t usec = 0;
	struct timeval tv;

	d->timer = evtimer_new(d->base, on_timer, d);
	d->written =
		event_new(d->base, db_writer_fd(d->writer), EV_READ | EV_PERSIST, on_written, d);
	if (!d->timer || !d->written || event_add(d->written, NULL))
		return -ENOMEM;
	for (size_t i = 0; i < 3; i++) {
		d->signals[i] = evsignal_new(d->base, signals[i].number, signals[i].fn, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL))
			return -ENOMEM;
	}
	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	usec /= 3;
	tv = (struct timeval){ .tv_sec = (time_t)(usec / 1000000),
			       .tv_usec = (suseconds_t)(usec % 1000000) };
	d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
	return d->watchdog && !event_add(d->watchdog, &tv) ? 0 : -ENOMEM;
}

/* The database comes first: its lock keeps a second daemon from everything else. */
static int daemon_open(struct daemon *d)
{
	int r = daemon_open_base(d);

	if (!r)
		r = daemon_open_db(d);
	if (!r)
		r = daemon_open_fabric(d);
	for (size_t i = 0; !r && i < d->config.provider_count; i++)
		r = daemon_open_provider(d, i);
	if (!r)
		r = daemon_open_agents(d);
	if (!r)
		r = daemon_open_events(d);
	/* Last: whoever can connect may also send a signal. */
	if (!r)
		r = daemon_open_api(d);
	return r;
}

static void event_done(struct event *event)
{
	if (event)
		event_free(event);
}

/* What runs stays in the journal, and is taken up at the next start. */
static void daemon_close(struct daemon *d)
{
	api_free(d->api);
	d->api = NULL;
	channels_free(d->channels);
	d->channels = NULL;
	datagrams_free(d->datagrams);
	fence_programs_free(d->fences);
	hooks_free(d->hooks);
	fabric_free(d->fabric);
	d->fabric = NULL;
	for (size_t i = 0; i < d->provider_count; i++)
		provider_close(d->providers[i]);
	event_done(d->written);
	db_writer_free(d->writer);
	db_close(d->db);
	event_done(d->timer);
	event_done(d->watchdog);
	for (size_t i = 0; i < 3; i++)
		event_done(d->signals[i]);
	if (d->base)
		event_base_free(d->base);
}

/* As at the start of the program, but for what it was told and what it has of systemd. */
static void daemon_forget(struct daemon *d)
{
	d->base = NULL;
	d->db = NULL;
	d->writer = NULL;
	memset(d->providers, 0, sizeof(d->providers));
	d->provider_count = 0;
	d->fences = NULL;
	d->hooks = NULL;
	d->datagrams = NULL;
	d->timer = NULL;
	d->written = NULL;
	d->watchdog = NULL;
	memset(d->signals, 0, sizeof(d->signals));
}

/* What the one that comes after it shall tell. */
static void thaw_note(struct daemon *d)
{
	uint64_t now = clock_boot_ms();
	uint64_t since = now;
	const char *why = fabric_frozen(d->fabric, &since);
	bool is_soon = d->thaw.last_ms && now - d->thaw.last_ms < THAW_AGAIN_MS;

	(void)snprintf(d->thaw.why, sizeof(d->thaw.why), "%s", why ? why : "");
	d->thaw.for_ms = now - since;
	d->thaw.wait_ms = !is_soon ? 0 : d->thaw.wait_ms ? 2 * d->thaw.wait_ms : 1000;
	if (d->thaw.wait_ms > THAW_WAIT_MS)
		d->thaw.wait_ms = THAW_WAIT_MS;
	d->thaw.last_ms = now;
	log_notice("daemon: the database was written anew; all begins again from it");
}

static int exit_code(int r)
{
	if (r > 0 || r == -EBUSY || r == -EBADMSG || r == -EADDRINUSE)
		return EXIT_REFUSED;
	return r ? EXIT_FAILED : 0;
}

/* From the database to the end, or to a thaw. */
static int daemon_live(struct daemon *d)
{
	int r = daemon_open(d);

	if (r)
		return r;
	fences_check(&d->config);
	hooks_check(&d->config);
	fabric_start(d->fabric);
	if (d->thaw.is_wanted)
		fabric_thawed(d->fabric, d->thaw.why, d->thaw.for_ms);
	d->thaw.is_wanted = false;
	log_notice("daemon: " FABRIC_VERSION " serves %s, database %s, %zu provider%s",
		   d->options.socket, d->options.db, d->provider_count,
		   d->provider_count == 1 ? "" : "s");
	(void)sd_notify(0, "READY=1"); /* for systemd, if it is there */
	r = daemon_run(d);
	if (r)
		log_err("event loop: %s", strerror(-r));
	else if (d->thaw.is_wanted)
		thaw_note(d);
	return r;
}

static int daemon_main(struct daemon *d)
{
	int r;

	d->handed_over = -1;
	do {
		r = daemon_live(d);
		if (r || d->stopping)
			d->thaw.is_wanted = false;
		if (!d->thaw.is_wanted)
			(void)sd_notify(0, "STOPPING=1");
		daemon_close(d);
		daemon_forget(d);
	} while (d->thaw.is_wanted);
	libevent_global_shutdown();
	return exit_code(r);
}

int main(int argc, char **argv)
{
	static struct daemon daemon; /* its configuration is large */
	char why[DB_TEXT_MAX] = "";
	int r = options_parse(argc, argv, &daemon.options);

	if (r != OPTIONS_GO_ON)
		return r;
	log_setup("fabricd", daemon.options.level);
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for these signals */
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails */
	r = config_read(&daemon.options, why, &daemon.config);
	if (r) {
		log_err("configuration: %s", why);
		return EXIT_REFUSED;
	}
	return daemon_main(&daemon);
}
