/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/channel.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/line_reader.h"
#include "common/log.h"
#include "common/unix_socket.h"

enum {
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 2000,
	READ_RATE = 256 * 1024, /* bytes in a second */
	READ_BURST = 512 * 1024,
	OUTPUT_MAX = 128 * 1024, /* that the other end has not read */
	BEAT_GAP_MS = 5,
	VIEW_GAP_MS = 100,
	ASKED = 64, /* questions whose answers are believed */
	COMPLAIN_MS = 60000,
};

struct channel {
	struct channels *all;
	struct channel *next;
	char host[CONFIG_TEXT_MAX];
	char path[CONFIG_TEXT_MAX];
	bool is_wanted;           /* by the configuration that is being taken over */
	struct bufferevent *link; /* NULL: not connected */
	bool is_up;               /* something was understood since it was connected */
	bool is_away;             /* and said so */
	uint64_t heard_ms;        /* when something was understood */
	struct event *retry;
	uint64_t backoff_ms;
	struct line_reader lines;
	uint64_t beat_ms;       /* when the last one was taken */
	struct agent_line view; /* the latest that waits; .type AGENT_SEEN while there is one */
	bool view_waits;
	uint64_t view_ms; /* when the last one was passed on */
	struct event *view_timer;
	uint64_t asked[ASKED];
	unsigned asked_next;
	uint64_t bad; /* lines that were not understood or not believed */
	uint64_t complained_ms;
};

struct channels {
	struct event_base *base;
	struct channel_sink sink;
	struct ev_token_bucket_cfg *rate;
	uint64_t incarnation;
	uint64_t silent_ms; /* an agent that was not heard for so long is asked nothing */
	struct channel *first;
};

static void timer_arm(struct event *timer, uint64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(timer, &tv);
}

/* ---- the connection ---- */

static void channel_drop(struct channel *ch)
{
	if (ch->link)
		bufferevent_free(ch->link);
	ch->link = NULL;
	ch->is_up = false;
	line_reader_reset(&ch->lines);
}

static void channel_retry(struct channel *ch)
{
	channel_drop(ch);
	timer_arm(ch->retry, ch->backoff_ms);
	ch->backoff_ms = 2 * ch->backoff_ms < BACKOFF_MAX_MS ? 2 * ch->backoff_ms : BACKOFF_MAX_MS;
}

static void channel_say_away(struct channel *ch, const char *why)
{
	if (!ch->is_away)
		log_notice("host %s: its agent's port %s: %s", ch->host, ch->path, why);
	ch->is_away = true;
}

/* ---- what is said to it ---- */

/* What it does not read has a bound. */
static int channel_say(struct channel *ch, const struct agent_line *line)
{
	OWNED(buf_done) struct buf text = { 0 };

	if (!ch->link ||
	    evbuffer_get_length(bufferevent_get_output(ch->link)) > OUTPUT_MAX - AGENT_LINE_MAX)
		return -ENOTCONN;
	agent_line_format(line, &text);
	if (text.failed || bufferevent_write(ch->link, text.data, text.length))
		return -ENOTCONN;
	return 0;
}

/* ---- what it says ---- */

static void channel_doubt(struct channel *ch, const char *why)
{
	uint64_t now = clock_boot_ms();

	ch->bad++;
	if (ch->complained_ms && now - ch->complained_ms < COMPLAIN_MS)
		return;
	ch->complained_ms = now;
	log_warning("host %s: its agent's port: a line that is not taken (%" PRIu64 " so far): %s",
		    ch->host, ch->bad, why);
}

static void beat_take(struct channel *ch, const struct agent_line *line, uint64_t now)
{
	struct agent_line status = { .type = AGENT_STATUS };
	const struct channel_sink *sink = &ch->all->sink;
	int r;

	/* What is said once is heard, however close behind a beat. */
	if (line->type == AGENT_BEAT && now - ch->beat_ms < BEAT_GAP_MS)
		return;
	ch->beat_ms = now;
	r = (line->type == AGENT_LEAVING && sink->leaving ? sink->leaving : sink->beat)(
		sink->arg, ch->host, line->boot_id, line->seq, now, &status.epoch);
	if (r && r != REFUSE_HOST_FENCED) {
		channel_doubt(ch, r > 0 ? refusal_text(r) : strerror(-r));
		return;
	}
	if (sink->heard)
		sink->heard(sink->arg, ch->host, "port", BEAT_COUNTED, now);
	status.is_fenced = r != 0;
	(void)channel_say(ch, &status); /* the next beat is answered again */
}

static void told_take(struct channel *ch, const struct agent_line *line)
{
	const struct agent_line manager = { .type = AGENT_MANAGER,
					    .incarnation = ch->all->incarnation };
	const struct channel_sink *sink = &ch->all->sink;

	if (sink->told && line->incarnation == manager.incarnation)
		sink->told(sink->arg, ch->host, line->epoch);
	(void)channel_say(ch, &manager); /* it asks again when it is here again */
}

static void view_pass(struct channel *ch)
{
	const struct channel_sink *sink = &ch->all->sink;

	ch->view_waits = false;
	ch->view_ms = clock_boot_ms();
	sink->seen(sink->arg, ch->host, &ch->view);
	agent_line_done(&ch->view);
}

/* The first at once; of those that follow too soon the last. */
static void view_take(struct channel *ch, struct agent_line *line, uint64_t now)
{
	agent_line_done(&ch->view);
	ch->view = *line;
	line->seen = NULL; /* handed over */
	if (ch->view_waits)
		return;
	ch->view_waits = true;
	if (now - ch->view_ms >= VIEW_GAP_MS)
		view_pass(ch);
	else
		timer_arm(ch->view_timer, ch->view_ms + VIEW_GAP_MS - now);
}

static void on_view(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->view_waits)
		view_pass(ch);
}

/* One answer for each question. */
static void left_take(struct channel *ch, const struct agent_line *line)
{
	const struct channel_sink *sink = &ch->all->sink;

	for (size_t i = 0; i < ASKED; i++) {
		if (!line->id || ch->asked[i] != line->id)
			continue;
		ch->asked[i] = 0;
		sink->left(sink->arg, ch->host, line);
		return;
	}
	channel_doubt(ch, "an answer to what was not asked");
}

/* Return: false when it is not taken. */
static bool line_pass(struct channel *ch, struct agent_line *line, uint64_t now)
{
	const struct channel_sink *sink = &ch->all->sink;

	if (line->host[0] && strcmp(line->host, ch->host) != 0) {
		channel_doubt(ch, "it names another host");
		return false;
	}
	switch (line->type) {
	case AGENT_BEAT:
	case AGENT_LEAVING:
		beat_take(ch, line, now);
		return true;
	case AGENT_SEEN:
		view_take(ch, line, now);
		return true;
	case AGENT_LEFT:
		left_take(ch, line);
		return true;
	case AGENT_TOLD:
		told_take(ch, line);
		return true;
	case AGENT_STOPPED:
		if (sink->stopped)
			sink->stopped(sink->arg, ch->host, line);
		return true;
	case AGENT_STATUS:
	case AGENT_LEAVE:
	case AGENT_MANAGER:
	case AGENT_REPORT:
	case AGENT_LINE_TYPES:
		break;
	}
	channel_doubt(ch, "it is for an agent");
	return false;
}

static void line_take(struct channel *ch, struct agent_line *line)
{
	uint64_t now = clock_boot_ms();

	if (!line_pass(ch, line, now))
		return;
	if (!ch->is_up)
		log_notice("host %s: its agent is heard at %s", ch->host, ch->path);
	ch->is_up = true;
	ch->heard_ms = now;
	ch->is_away = false;
	ch->backoff_ms = BACKOFF_MIN_MS;
}

static void on_line(void *arg, const char *text, size_t length)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	char why[AGENT_TEXT_MAX] = "";
	int r = agent_line_parse(text, length, &line, why);

	if (!r)
		line_take(arg, &line);
	else
		channel_doubt(arg, r > 0 ? why : strerror(-r));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t length = evbuffer_get_length(input);
	uint64_t too_long = ch->lines.too_long;

	if (line_reader_feed(&ch->lines, evbuffer_pullup(input, -1), length, on_line, ch))
		channel_doubt(ch, strerror(ENOMEM));
	if (ch->lines.too_long > too_long)
		channel_doubt(ch, "it is too long");
	evbuffer_drain(input, length);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct channel *ch = arg;
	const struct channel_sink *sink = &ch->all->sink;
	int error = EVUTIL_SOCKET_ERROR();

	(void)bev;
	channel_say_away(ch, what & BEV_EVENT_EOF ? "end-of-file" : strerror(error));
	channel_retry(ch);
	sink->hint(sink->arg, ch->host, "end-of-file on its agent's port");
}

/* ---- connecting ---- */

static int channel_connect(struct channel *ch)
{
	static const struct agent_line report = { .type = AGENT_REPORT };
	evutil_socket_t fd = -1;
	int r = unix_socket_connect(ch->path, &fd);

	if (r)
		return r;
	ch->link = bufferevent_socket_new(ch->all->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!ch->link) {
		close(fd);
		return -ENOMEM;
	}
	bufferevent_setcb(ch->link, on_read, NULL, on_event, ch);
	bufferevent_setwatermark(ch->link, EV_READ, 0, AGENT_LINE_MAX);
	/* The empty line ends whatever half a line was said to it before. */
	if (bufferevent_set_rate_limit(ch->link, ch->all->rate) ||
	    bufferevent_enable(ch->link, EV_READ | EV_WRITE) ||
	    bufferevent_write(ch->link, "\n", 1))
		return -ENOMEM;
	/* An agent may not notice that another fabricd took the place of the last. */
	return channel_say(ch, &report);
}

static void channel_try(struct channel *ch)
{
	int r = channel_connect(ch);

	if (!r)
		return;
	channel_say_away(ch, strerror(-r));
	channel_retry(ch);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;

	(void)fd;
	(void)what;
	if (!ch->link)
		channel_try(ch);
}

/* ---- the list ---- */

static void channel_free(struct channel *ch)
{
	channel_drop(ch);
	if (ch->retry)
		event_free(ch->retry);
	if (ch->view_timer)
		event_free(ch->view_timer);
	agent_line_done(&ch->view);
	line_reader_done(&ch->lines);
	free(ch);
}

static int channel_add(struct channels *c, const struct config_host *host)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return -ENOMEM;
	ch->all = c;
	ch->is_wanted = true;
	ch->backoff_ms = BACKOFF_MIN_MS;
	(void)snprintf(ch->host, sizeof(ch->host), "%s", host->name);
	(void)snprintf(ch->path, sizeof(ch->path), "%s", host->serial);
	line_reader_init(&ch->lines, AGENT_LINE_MAX);
	ch->retry = evtimer_new(c->base, on_retry, ch);
	ch->view_timer = evtimer_new(c->base, on_view, ch);
	if (!ch->retry || !ch->view_timer) {
		channel_free(ch);
		return -ENOMEM;
	}
	timer_arm(ch->retry, 0);
	ch->next = c->first;
	c->first = ch;
	return 0;
}

static struct channel *channel_find(const struct channels *c, const char *host)
{
	for (struct channel *ch = c->first; ch; ch = ch->next)
		if (!strcmp(ch->host, host))
			return ch;
	return NULL;
}

static void unwanted_remove(struct channels *c)
{
	struct channel **at = &c->first;

	while (*at) {
		struct channel *ch = *at;

		if (ch->is_wanted) {
			at = &ch->next;
			continue;
		}
		*at = ch->next;
		channel_free(ch);
	}
}

int channels_configure(struct channels *c, const struct config *config)
{
	int result = 0;

	c->silent_ms = (uint64_t)config->beat_interval_ms * config->beat_missed;
	for (struct channel *ch = c->first; ch; ch = ch->next) {
		const struct config_host *host = config_host_find(config, ch->host);

		ch->is_wanted = host && !strcmp(host->serial, ch->path);
	}
	unwanted_remove(c);
	for (size_t i = 0; i < config->host_count; i++)
		if (config->hosts[i].serial[0] && !channel_find(c, config->hosts[i].name) &&
		    channel_add(c, &config->hosts[i]))
			result = -ENOMEM;
	return result;
}

int channels_ask(struct channels *c, const char *host, const struct agent_line *leave)
{
	struct channel *ch = channel_find(c, host);
	int r = -ENOTCONN;

	if (ch && ch->is_up && clock_boot_ms() - ch->heard_ms <= c->silent_ms)
		r = channel_say(ch, leave);
	if (!r)
		ch->asked[ch->asked_next++ % ASKED] = leave->id;
	return r;
}

void channels_wake(struct channels *c, const char *host)
{
	struct channel *ch = channel_find(c, host);

	if (!ch || ch->link)
		return;
	ch->backoff_ms = BACKOFF_MIN_MS;
	timer_arm(ch->retry, 0);
}

int channels_new(struct event_base *base, const struct config *config, const char *incarnation,
		 const struct channel_sink *sink, struct channels **out)
{
	struct channels *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->base = base;
	c->sink = *sink;
	c->incarnation = agent_incarnation(incarnation);
	c->rate = ev_token_bucket_cfg_new(READ_RATE, READ_BURST, EV_RATE_LIMIT_MAX,
					  EV_RATE_LIMIT_MAX, NULL);
	r = c->rate ? channels_configure(c, config) : -ENOMEM;
	if (r) {
		channels_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void channels_free(struct channels *c)
{
	if (!c)
		return;
	for (struct channel *ch = c->first; ch; ch = ch->next)
		ch->is_wanted = false;
	unwanted_remove(c);
	if (c->rate)
		ev_token_bucket_cfg_free(c->rate);
	free(c);
}
