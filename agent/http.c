/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beats and views as HTTP requests on fabricd's own Unix socket. One request at a time: beat.h. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/beat.h"
#include "agent/notify.h"
#include "agent/transport.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/unix_socket.h"

enum { SAYS = 4 };

struct http {
	struct transport base;
	struct event_base *loop;
	struct event *timer;
	struct bufferevent *link;
	struct beat beat;
	struct buf view;       /* the latest, as the body of a request */
	bool view_waits;       /* to be sent */
	struct buf says[SAYS]; /* lines that wait to be sent, the first first */
	size_t say_count;
	bool is_deaf; /* a manager that is older than its agent does not take them */
	enum { SENT_BEAT, SENT_VIEW, SENT_SAY } sent; /* whose answer is waited for */
	unsigned view_status;
	uint64_t incarnation; /* of the manager; 0: it has not said */
};

static void http_drive(struct http *h, enum beat_event event);

/* ---- what comes ---- */

static bool is_fenced(const struct answer *answer)
{
	return answer->status == 409 && answer->body_length &&
	       memmem(answer->body, answer->body_length, "host-fenced", 11);
}

static void beat_answered(struct http *h, const struct answer *answer)
{
	bool fenced = is_fenced(answer);
	uint64_t epoch = 0;
	enum beat_news news = beat_judge(&h->beat, answer->status, fenced);

	if (fenced && answer_epoch_find(answer, &epoch))
		epoch = 0;
	if (fenced || answer->status < 300)
		h->base.sink.status(h->base.sink.arg, &h->base, fenced, epoch, h->incarnation);
	if (news == BEAT_ACCEPTED)
		log_notice("host %s: beating every %llu ms", h->base.config.host,
			   (unsigned long long)h->base.config.interval_ms);
	if (news != BEAT_REFUSED)
		return;
	log_warning("host %s: beats are refused with %u: %.*s", h->base.config.host, answer->status,
		    (int)(answer->body_length < 256 ? answer->body_length : 256),
		    (const char *)answer->body);
	notify("STATUS=beats are refused with %u", answer->status);
}

/* A manager that is older than its agent does not know of views. */
static void view_answered(struct http *h, const struct answer *answer)
{
	if (answer->status >= 300 && answer->status != h->view_status)
		log_warning("host %s: its view is refused with %u: %.*s", h->base.config.host,
			    answer->status,
			    (int)(answer->body_length < 256 ? answer->body_length : 256),
			    (const char *)answer->body);
	h->view_status = answer->status;
}

static void say_answered(struct http *h, const struct answer *answer)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	char why[AGENT_TEXT_MAX];
	size_t length = answer->body_length;

	h->is_deaf = answer->status == 404 || answer->status == 405;
	while (length && answer->body[length - 1] == '\n')
		length--;
	if (answer->status != 200 ||
	    agent_line_parse((const char *)answer->body, length, &line, why))
		return;
	if (line.type == AGENT_MANAGER)
		h->incarnation = line.incarnation;
	else if (line.type == AGENT_STATUS)
		h->base.sink.status(h->base.sink.arg, &h->base, line.is_fenced, line.epoch,
				    h->incarnation);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct http *h = arg;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t length = evbuffer_get_length(input);
	struct answer answer;
	int r = answer_parse(evbuffer_pullup(input, -1), length, &answer);

	if (r == -EAGAIN)
		return;
	if (r || h->beat.link != BEAT_WAITING) {
		log_warning("fabricd: an answer that is not understood; connecting anew");
		http_drive(h, BEAT_LOST);
		return;
	}
	transport_say_reached(&h->base);
	if (h->sent == SENT_VIEW)
		view_answered(h, &answer);
	else if (h->sent == SENT_SAY)
		say_answered(h, &answer);
	else
		beat_answered(h, &answer);
	h->sent = SENT_BEAT;
	evbuffer_drain(input, answer.length);
	http_drive(h, BEAT_ANSWERED);
	if (answer.close)
		http_drive(h, BEAT_LOST);
}

static void say_away(struct http *h, int error)
{
	transport_say_away(&h->base, error == EACCES ? "permission denied (is this user in group "
						       "fabric-op?)"
						     : strerror(error));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http *h = arg;

	(void)bev;
	say_away(h, what & BEV_EVENT_EOF ? ECONNRESET : EVUTIL_SOCKET_ERROR());
	http_drive(h, BEAT_LOST);
}

/* ---- the connection ---- */

/* Connecting to a Unix socket is done or refused at once. */
static int http_connect(struct http *h)
{
	evutil_socket_t fd = -1;
	int r = unix_socket_connect(h->base.config.where, &fd);

	if (r)
		return r;
	h->link = bufferevent_socket_new(h->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!h->link) {
		close(fd);
		return -ENOMEM;
	}
	bufferevent_setcb(h->link, on_read, NULL, on_event, h);
	bufferevent_setwatermark(h->link, EV_READ, 0, ANSWER_HEAD_MAX + ANSWER_BODY_MAX);
	return bufferevent_enable(h->link, EV_READ | EV_WRITE) ? -EIO : 0;
}

static void says_forget(struct http *h)
{
	for (size_t i = 0; i < SAYS; i++)
		buf_done(&h->says[i]);
	h->say_count = 0;
}

/* What it was to say is said again once fabricd is reached again. */
static void http_drop(struct http *h)
{
	if (h->link)
		bufferevent_free(h->link);
	h->link = NULL;
	h->sent = SENT_BEAT;
	h->is_deaf = false;
	h->incarnation = 0;
	says_forget(h);
}

static void request_send(struct http *h, const struct buf *request)
{
	if (request->failed || bufferevent_write(h->link, request->data, request->length))
		log_warning("host %s: no memory for a request", h->base.config.host);
}

static void beat_send(struct http *h)
{
	OWNED(buf_done) struct buf request = { 0 };
	const struct transport_config *c = &h->base.config;

	h->sent = SENT_BEAT;
	answer_request_format(&request, c->host, c->boot_id, h->base.sink.seq(h->base.sink.arg));
	request_send(h, &request);
}

/* What it says goes before what it sees. */
static void other_send(struct http *h)
{
	OWNED(buf_done) struct buf request = { 0 };
	const char *host = h->base.config.host;

	if (h->say_count) {
		h->sent = SENT_SAY;
		answer_line_format(&request, host, "says", h->says[0].data, h->says[0].length);
		buf_done(&h->says[0]);
		h->say_count--;
		memmove(h->says, h->says + 1, h->say_count * sizeof(*h->says));
		h->says[h->say_count] = (struct buf){ 0 };
	} else {
		h->sent = SENT_VIEW;
		h->view_waits = false;
		answer_line_format(&request, host, "seen", h->view.data, h->view.length);
	}
	request_send(h, &request);
}

static void http_arm(struct http *h)
{
	struct timeval tv = clock_timeval_until(beat_wake_ms(&h->beat));

	event_add(h->timer, &tv);
}

/* A beat that is due goes first. */
static void other_offer(struct http *h)
{
	if ((h->view_waits || h->say_count) && h->beat.link == BEAT_IDLE &&
	    beat_wake_ms(&h->beat) > clock_boot_ms())
		http_drive(h, BEAT_VIEW);
}

static void http_drive(struct http *h, enum beat_event event)
{
	int r;

	if (event == BEAT_TIMER && h->beat.link == BEAT_WAITING)
		say_away(h, ETIMEDOUT);
	switch (beat_step(&h->beat, event, clock_boot_ms())) {
	case BEAT_CONNECT:
		r = http_connect(h);
		if (r)
			say_away(h, -r);
		http_drive(h, r ? BEAT_LOST : BEAT_CONNECTED);
		if (!r)
			h->base.sink.reached(h->base.sink.arg, &h->base);
		return;
	case BEAT_SEND:
		beat_send(h);
		break;
	case BEAT_SEND_VIEW:
		other_send(h);
		break;
	case BEAT_DROP:
		http_drop(h);
		break;
	case BEAT_DO_NOTHING:
		break;
	}
	http_arm(h);
	other_offer(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_drive(arg, BEAT_TIMER);
}

/* ---- the table ---- */

static void http_close(struct transport *t)
{
	struct http *h = (struct http *)t;

	http_drop(h);
	if (h->timer)
		event_free(h->timer);
	buf_done(&h->view);
	free(h);
}

static int http_open(struct event_base *base, const struct transport_config *config,
		     const struct transport_sink *sink, struct transport **out)
{
	const struct sockaddr_un *address = NULL;
	struct http *h;

	if (strlen(config->where) >= sizeof(address->sun_path)) {
		log_err("path of the socket is too long: %s", config->where);
		return -ENAMETOOLONG;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->base = (struct transport){ .ops = &transport_http, .config = *config, .sink = *sink };
	h->loop = base;
	beat_init(&h->beat, config->interval_ms, clock_boot_ms());
	h->timer = evtimer_new(base, on_timer, h);
	if (!h->timer) {
		free(h);
		return -ENOMEM;
	}
	http_arm(h);
	*out = &h->base;
	return 0;
}

static int view_report(struct http *h, const struct agent_line *line)
{
	h->view.length = 0;
	agent_line_format(line, &h->view);
	if (h->view.failed) {
		buf_done(&h->view);
		return -EAGAIN;
	}
	h->view_waits = true;
	other_offer(h);
	return 0;
}

static int http_report(struct transport *t, const struct agent_line *line)
{
	struct http *h = (struct http *)t;
	struct buf *say = &h->says[h->say_count];

	if (line->type == AGENT_LEFT || (h->is_deaf && line->type != AGENT_SEEN))
		return -EOPNOTSUPP;
	if (!h->link)
		return -ENOTCONN;
	if (line->type == AGENT_SEEN)
		return view_report(h, line);
	if (h->say_count == SAYS)
		return -EAGAIN;
	agent_line_format(line, say);
	if (say->failed) {
		buf_done(say);
		return -EAGAIN;
	}
	h->say_count++;
	other_offer(h);
	return 0;
}

static void http_leave(struct transport *t)
{
	struct agent_line line = { .type = AGENT_LEAVING };

	(void)snprintf(line.host, sizeof(line.host), "%s", t->config.host);
	(void)snprintf(line.boot_id, sizeof(line.boot_id), "%s", t->config.boot_id);
	line.seq = t->sink.seq(t->sink.arg);
	(void)http_report(t, &line); /* said again until it is answered */
}

const struct transport_ops transport_http = {
	.name = "socket",
	.open = http_open,
	.leave = http_leave,
	.report = http_report,
	.close = http_close,
};
