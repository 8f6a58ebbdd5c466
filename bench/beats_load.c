/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beats for hosts bay1 to bayN, or those that FILE names, one in each line, each over a keep-alive
 * connection of its own, once a second, evenly spread over it.
 *
 *   beats_load --socket PATH --hosts N|--names FILE --seconds S
 *
 * Every beat must be answered 204 before the host's next one is due. Prints how many were.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

enum { HOSTS_MAX = 1024, NAME_MAX_BYTES = 64, INTERVAL_US = 1000000 };

static char names[HOSTS_MAX][NAME_MAX_BYTES];

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "beats_load: %s: %s\n", what, why);
	exit(4);
}

static int socket_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path, strerror(errno));
	return fd;
}

static void beat(int fd, unsigned host, unsigned long seq)
{
	char text[512];
	char body[128];
	int length =
		snprintf(body, sizeof(body),
			 "{\"boot_id\":\"6a39c2a2-7a9c-4e0e-8f3a-%012u\",\"seq\":%lu}", host, seq);

	length = snprintf(text, sizeof(text),
			  "PUT /v1/hosts/%s/heartbeat HTTP/1.1\r\nHost: fabricd\r\n"
			  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			  names[host], length, body);
	if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		die("send", strerror(errno));
}

/* A 204 has no body: its head is all, and comes in one piece. */
static void answer(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char text[4096];
	ssize_t n;

	if (poll(&wait, 1, 1000) != 1)
		die("no answer", "within a second");
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		die("no answer", "the connection ended");
	text[n] = '\0';
	if (strncmp(text, "HTTP/1.1 204 ", 13) != 0 || strcmp(text + n - 4, "\r\n\r\n") != 0)
		die("not 204", text);
}

static void sleep_until(uint64_t at_us)
{
	uint64_t now_us = clock_boot_us();

	if (at_us > now_us)
		(void)usleep((useconds_t)(at_us - now_us)); /* a little early does no harm */
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text)
		die(text, "is no number");
	return n;
}

static unsigned long names_make(unsigned long count)
{
	for (unsigned long i = 0; i < count && i < HOSTS_MAX; i++)
		(void)snprintf(names[i], sizeof(names[i]), "bay%lu", i + 1);
	return count;
}

static unsigned long names_read(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long count = 0;

	if (!file)
		die(path, strerror(errno));
	while (count < HOSTS_MAX && fgets(names[count], sizeof(names[count]), file)) {
		names[count][strcspn(names[count], "\n")] = '\0';
		count++;
	}
	(void)fclose(file);
	return count;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "hosts", required_argument, NULL, 'h' },
						 { "names", required_argument, NULL, 'f' },
						 { "seconds", required_argument, NULL, 'n' },
						 { 0 } };
	static int fds[HOSTS_MAX];
	const char *path = NULL;
	unsigned long seconds = 0;
	unsigned long hosts = 0;
	unsigned long beats = 0;
	uint64_t start_us;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			path = optarg;
		else if (option == 'h')
			hosts = names_make(number(optarg));
		else if (option == 'f')
			hosts = names_read(optarg);
		else if (option == 'n')
			seconds = number(optarg);
	}
	if (!path || !hosts || hosts > HOSTS_MAX || !seconds) {
		(void)fprintf(
			stderr,
			"usage: beats_load --socket PATH --hosts N|--names FILE --seconds S\n");
		return 2;
	}
	for (unsigned i = 0; i < hosts; i++)
		fds[i] = socket_open(path);
	start_us = clock_boot_us();
	for (unsigned long seq = 1; seq <= seconds; seq++) {
		for (unsigned i = 0; i < hosts; i++) {
			sleep_until(start_us + (seq - 1) * INTERVAL_US + i * INTERVAL_US / hosts);
			if (seq > 1)
				answer(fds[i]); /* of a second ago */
			beat(fds[i], i, seq);
			beats++;
		}
	}
	for (unsigned i = 0; i < hosts; i++)
		answer(fds[i]);
	(void)printf("%lu beats answered 204 in %.1f s\n", beats,
		     (double)(clock_boot_us() - start_us) / 1e6);
	return 0;
}
