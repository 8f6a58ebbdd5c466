/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks one target again and again over keep-alive connections to a Unix socket, one request under
 * way on each, and prints how many answers came in a second.
 *
 *   http_load --socket PATH --target /v1/... [--connections N] [--seconds S] [--save FILE]
 *
 * Every answer must have the status 200 and the length of the first. --save writes the first body.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

enum { CONNECTIONS_MAX = 4096, ANSWER_MAX = 2 * 1024 * 1024 };

struct load {
	char request[1024];
	size_t request_length;
	size_t head_length; /* of the first answer */
	size_t answer_length;
	const char *save;
	unsigned long long answers;
};

struct connection {
	int fd;
	size_t length; /* of the answer so far */
};

static void die(const char *what)
{
	(void)fprintf(stderr, "http_load: %s%s%s\n", what, errno ? ": " : "",
		      errno ? strerror(errno) : "");
	exit(4);
}

static int socket_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

static void ask(const struct load *load, const struct connection *c)
{
	if (send(c->fd, load->request, load->request_length, MSG_NOSIGNAL) !=
	    (ssize_t)load->request_length)
		die("send");
}

/* Learns from the first answer how long each is. */
static void first_answer(struct load *load, const struct connection *c)
{
	static char text[ANSWER_MAX + 1];
	const char *head;
	const char *length;
	size_t have = 0;
	FILE *file;

	ask(load, c);
	do {
		ssize_t n = recv(c->fd, text + have, ANSWER_MAX - have, 0);

		if (n <= 0)
			die("no answer");
		have += (size_t)n;
		text[have] = '\0';
		head = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "\r\nContent-Length: ");
		if (!head || !length)
			continue;
		load->head_length = (size_t)(head - text) + 4;
		load->answer_length = load->head_length + strtoul(length + 18, NULL, 10);
	} while (!load->answer_length || have < load->answer_length);
	errno = 0;
	if (strncmp(text, "HTTP/1.1 200 ", 13) != 0)
		die(text);
	file = load->save ? fopen(load->save, "we") : NULL;
	if (load->save && (!file ||
			   fwrite(text + load->head_length, load->answer_length - load->head_length,
				  1, file) != 1 ||
			   fclose(file)))
		die(load->save);
}

static void on_readable(struct load *load, struct connection *c)
{
	static char bytes[ANSWER_MAX];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0)
		die("the connection ended");
	errno = 0;
	if (!c->length && (n < 12 || memcmp(bytes + 9, "200", 3) != 0))
		die("an answer is not 200");
	c->length += (size_t)n;
	if (c->length < load->answer_length)
		return;
	if (c->length > load->answer_length)
		die("an answer is longer than the first");
	c->length = 0;
	load->answers++;
	ask(load, c);
}

static double run(struct load *load, struct connection *connections, int count, uint64_t for_us)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start_us;
	uint64_t now_us;

	for (int i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &connections[i] };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
			die("epoll");
		ask(load, &connections[i]);
	}
	start_us = clock_boot_us();
	do {
		int n = epoll_wait(epoll, events, 64, 1000);

		if (n <= 0)
			die("no answer in a second");
		for (int i = 0; i < n; i++)
			on_readable(load, events[i].data.ptr);
		now_us = clock_boot_us();
	} while (now_us - start_us < for_us);
	(void)close(epoll);
	return (double)load->answers * 1e6 / (double)(now_us - start_us);
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: http_load --socket PATH --target TARGET [--connections N] "
			      "[--seconds S] [--save FILE]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "target", required_argument, NULL, 't' },
		{ "connections", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 'n' },
		{ "save", required_argument, NULL, 'f' },
		{ 0 },
	};
	static struct connection connections[CONNECTIONS_MAX];
	struct load load = { 0 };
	const char *path = NULL;
	const char *target = NULL;
	double seconds = 5;
	long count = 16;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			path = optarg;
		else if (option == 't')
			target = optarg;
		else if (option == 'c')
			count = strtol(optarg, NULL, 10);
		else if (option == 'n')
			seconds = strtod(optarg, NULL);
		else if (option == 'f')
			load.save = optarg;
		else
			return usage();
	}
	if (!path || !target || count < 1 || count > CONNECTIONS_MAX || optind != argc)
		return usage();
	load.request_length =
		(size_t)snprintf(load.request, sizeof(load.request),
				 "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	if (load.request_length >= sizeof(load.request))
		return usage();
	for (long i = 0; i < count; i++)
		connections[i].fd = socket_open(path);
	first_answer(&load, &connections[0]);
	(void)printf("%.0f requests/s, %ld connections, %zu bytes a body\n",
		     run(&load, connections, (int)count, (uint64_t)(seconds * 1e6)), count,
		     load.answer_length - load.head_length);
	return 0;
}
