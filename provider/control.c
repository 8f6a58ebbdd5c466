/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "provider/wire.h"

enum { ANSWER_SECONDS = 10, READ_BYTES = 16384, REQUEST_ID = 1 };

struct control {
	int fd;
	struct buf input;
	struct buf *answer;
	char *why;
};

static int fail(struct control *c, int r, const char *what)
{
	if (what)
		(void)snprintf(c->why, PROVIDER_TEXT_MAX, "%s", what); /* cut is fine */
	else
		(void)snprintf(c->why, PROVIDER_TEXT_MAX, "%s", strerror(-r));
	return r;
}

static int control_connect(struct control *c, const char *socket_path)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return fail(c, -ENAMETOOLONG, NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return fail(c, -errno, NULL);
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(c->fd, (const struct sockaddr *)&address, sizeof(address)))
		return fail(c, -errno, NULL);
	return 0;
}

static int control_send(struct control *c, const struct buf *out)
{
	size_t sent = 0;

	if (out->failed)
		return fail(c, -ENOMEM, NULL);
	while (sent < out->length) {
		ssize_t n = send(c->fd, out->data + sent, out->length - sent, MSG_NOSIGNAL);

		/* one that refuses may have closed already: its reason can still be read */
		if (n < 0 && errno == EPIPE)
			return 0;
		if (n < 0 && errno != EINTR)
			return fail(c, -errno, errno == EAGAIN ? "no answer" : NULL);
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int control_more(struct control *c)
{
	uint8_t bytes[READ_BYTES];
	ssize_t n;

	do
		n = recv(c->fd, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(c, errno == EAGAIN ? -ETIMEDOUT : -errno,
			    errno == EAGAIN ? "no answer" : NULL);
	if (!n)
		return fail(c, -ECONNRESET, "the connection was closed");
	buf_bytes(&c->input, bytes, (size_t)n);
	return c->input.failed ? fail(c, -ENOMEM, NULL) : 0;
}

/* One frame of what has come. @over is true once the answer is whole; its status is returned. */
static int control_frame(struct control *c, const struct wire_frame *f, bool *over)
{
	struct provider_hello hello;
	struct wire_slice slice;
	int r;

	*over = false;
	switch (f->type) {
	case WIRE_WELCOME:
		return wire_welcome_get(f, &hello);
	case WIRE_REFUSED:
		r = wire_refused_get(f, c->why);
		return r ? r : -ECONNREFUSED;
	case WIRE_ANSWER:
		r = wire_slice_get(f, &slice);
		if (r || slice.id != REQUEST_ID)
			return -EBADMSG;
		r = wire_slice_join(c->answer, &slice, over);
		if (*over && slice.status < 0)
			return fail(c, slice.status == INT32_MIN ? EIO : -slice.status,
				    strerror(-slice.status));
		return *over ? slice.status : r;
	default:
		return 0; /* not for us */
	}
}

static int control_wait(struct control *c)
{
	for (;;) {
		struct wire_frame f;
		bool over;
		int n = wire_frame_next(c->input.data, c->input.length, &f);
		int r;

		if (n < 0)
			return fail(c, n, "the answer is not in this protocol");
		if (!n) {
			r = control_more(c);
			if (r)
				return r;
			continue;
		}
		r = control_frame(c, &f, &over);
		if (over && r >= 0)
			return r;
		if (r)
			return r == -ECONNREFUSED ? r : fail(c, r, NULL);
		buf_drop(&c->input, (size_t)n);
	}
}

int provider_control(const char *socket_path, const char *request, struct buf *answer, char *why)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct buf text = { 0 };
	struct control c = { .fd = -1, .answer = &text, .why = why };
	int r = 0;

	why[0] = '\0';
	if (strlen(request) > WIRE_CONTROL_MAX)
		return fail(&c, -EMSGSIZE, NULL);
	wire_hello_put(&out, WIRE_CONTROLLER, "control");
	wire_control_put(&out, WIRE_CONTROL, REQUEST_ID, 0, request, strlen(request));
	r = control_connect(&c, socket_path);
	if (!r)
		r = control_send(&c, &out);
	if (!r)
		r = control_wait(&c);
	if (r >= 0)
		buf_bytes(answer, text.data, text.length);
	if (r > 0 && text.length)
		(void)snprintf(why, PROVIDER_TEXT_MAX, "%.*s", (int)text.length,
			       (const char *)text.data); /* cut is fine */
	if (c.fd >= 0)
		close(c.fd);
	buf_done(&c.input);
	buf_done(&text);
	return r;
}
