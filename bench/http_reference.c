/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bare evhttp handler over a Unix socket that answers every request with the same bytes: what the
 * control socket is measured against.
 *
 *   http_reference --socket PATH --body FILE        until it is killed
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

struct body {
	char bytes[1024 * 1024];
	size_t length;
};

static void on_request(struct evhttp_request *request, void *arg)
{
	const struct body *body = arg;

	if (evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			      "application/json") ||
	    evbuffer_add(evhttp_request_get_output_buffer(request), body->bytes, body->length))
		exit(4);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

static struct evhttp *serve(struct event_base *base, const char *path, struct body *body)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct evconnlistener *listener;
	struct evhttp *http = evhttp_new(base);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	listener = evconnlistener_new_bind(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 512,
					   (const struct sockaddr *)&address, sizeof(address));
	if (!http || !listener || !evhttp_bind_listener(http, listener))
		return NULL;
	evhttp_set_gencb(http, on_request, body);
	return http;
}

static int body_read(const char *path, struct body *body)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	body->length = fread(body->bytes, 1, sizeof(body->bytes), file);
	return fclose(file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "body", required_argument, NULL, 'b' },
						 { 0 } };
	static struct body body;
	const char *socket_path = NULL;
	const char *body_path = NULL;
	struct event_base *base = event_base_new();
	struct evhttp *http;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			socket_path = optarg;
		else if (option == 'b')
			body_path = optarg;
	}
	if (!socket_path || !body_path || optind != argc) {
		(void)fprintf(stderr, "usage: http_reference --socket PATH --body FILE\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a client that leaves is no end */
	http = base && !body_read(body_path, &body) ? serve(base, socket_path, &body) : NULL;
	if (!http) {
		perror("http_reference");
		return 4;
	}
	(void)event_base_dispatch(base); /* until it is killed */
	evhttp_free(http);
	event_base_free(base);
	return 0;
}
