/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Authenticated beats of many hosts as datagrams, evenly spread, and what crypto_auth alone costs.
 *
 *   datagrams_load --to ADDRESS:PORT --keys FILE --rate N --seconds S
 *   datagrams_load --reference
 *
 * Ends sooner when its standard input does. FILE has a line for each host: its name and its key in
 * 64 hex digits. Challenges are answered. Prints how many beats left, and how many of the answers
 * were each kind. --reference prints the microseconds of one crypto_auth and one crypto_auth_verify
 * over the 64 bytes of a beat.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "common/beat_datagram.h"
#include "common/clock.h"

enum { HOSTS_MAX = 4096, AT_ONCE = 64, TICK_US = 1000, REFERENCE = 200000 };

struct host {
	struct datagram beat;
	uint8_t key[DATAGRAM_KEY];
	uint64_t at_us; /* the next beat */
};

static struct host hosts[HOSTS_MAX];
static size_t host_count;
static uint64_t answers[DATAGRAM_TYPES];
static uint64_t sent;
static uint64_t refused; /* the kernel had no room */

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "datagrams_load: %s: %s\n", what, why);
	exit(4);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text)
		die(text, "is no number");
	return n;
}

/* The processor's, so that who else runs does not count. */
static double spent_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts); /* cannot fail */
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void reference(void)
{
	uint8_t key[crypto_auth_KEYBYTES];
	uint8_t text[DATAGRAM_CONTENT];
	uint8_t tag[crypto_auth_BYTES];
	double start_us = spent_us();
	unsigned bad = 0;

	randombytes_buf(key, sizeof(key));
	randombytes_buf(text, sizeof(text));
	for (unsigned n = 0; n < REFERENCE; n++) {
		memcpy(text, &n, sizeof(n));
		(void)crypto_auth(tag, text, sizeof(text), key); /* always 0 */
		bad += crypto_auth_verify(tag, text, sizeof(text), key) != 0;
	}
	(void)printf("%.3f\n", (spent_us() - start_us) / REFERENCE);
	if (bad)
		die("crypto_auth", "does not fit");
}

static void hosts_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char name[128];
	char key[128];

	if (!file)
		die(path, strerror(errno));
	while (host_count < HOSTS_MAX && fscanf(file, "%127s %127s", name, key) == 2) {
		struct host *h = &hosts[host_count++];

		if (datagram_key_parse((const uint8_t *)key, strlen(key), h->key))
			die(key, "is no key");
		h->beat.type = DATAGRAM_BEAT;
		h->beat.host = datagram_host_hash(name);
		randombytes_buf(h->beat.boot_id, sizeof(h->beat.boot_id));
	}
	(void)fclose(file); /* was only read */
}

static int socket_open(const char *where)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char address[64];
	char *colon;
	int room = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(address, sizeof(address), "%s", where);
	colon = strchr(address, ':');
	if (!colon)
		die(where, "is no address and port");
	*colon = '\0';
	to.sin_port = htons((uint16_t)number(colon + 1));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die(where, "is no address and port");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)); /* less loses answers */
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		die(where, strerror(errno));
	return fd;
}

static void host_send(int fd, struct host *h)
{
	uint8_t bytes[DATAGRAM_SIZE];

	h->beat.seq++;
	datagram_seal(&h->beat, h->key, bytes);
	if (send(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes))
		sent++;
	else
		refused++;
}

static void answer_take(int fd, const uint8_t *bytes, size_t length)
{
	uint64_t hash = 0;

	if (datagram_host_peek(bytes, length, &hash))
		return;
	for (size_t i = 0; i < host_count; i++) {
		struct host *h = &hosts[i];
		struct datagram d;

		if (h->beat.host != hash)
			continue;
		/* What is only counted need not be opened: this is not what is measured. */
		answers[bytes[5] < DATAGRAM_TYPES ? bytes[5] : 0]++;
		if (bytes[5] != DATAGRAM_CHALLENGE || datagram_open(bytes, length, h->key, &d))
			return;
		h->beat.type = DATAGRAM_RESPONSE;
		h->beat.nonce = d.nonce;
		host_send(fd, h);
		h->beat.type = DATAGRAM_BEAT;
		h->beat.nonce = 0;
		return;
	}
}

static void answers_take(int fd)
{
	static uint8_t bytes[AT_ONCE][DATAGRAM_SIZE];
	static struct mmsghdr messages[AT_ONCE];
	static struct iovec vectors[AT_ONCE];
	int n;

	for (size_t i = 0; i < AT_ONCE; i++) {
		vectors[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		n = recvmmsg(fd, messages, AT_ONCE, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			answer_take(fd, bytes[i], messages[i].msg_len);
	} while (n == AT_ONCE);
}

static bool is_told_to_end(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) == 1;
}

static void run(int fd, unsigned long rate, unsigned long seconds)
{
	uint64_t interval_us = 1000000 / rate;
	uint64_t start_us = clock_boot_us();

	for (size_t i = 0; i < host_count; i++)
		hosts[i].at_us = start_us + i * interval_us / host_count;
	while (clock_boot_us() - start_us < seconds * 1000000 && !is_told_to_end()) {
		uint64_t now = clock_boot_us();

		for (size_t i = 0; i < host_count; i++) {
			if (hosts[i].at_us > now)
				continue;
			hosts[i].at_us += interval_us;
			host_send(fd, &hosts[i]);
		}
		answers_take(fd);
		(void)usleep(TICK_US); /* a little early or late does no harm */
	}
	(void)usleep(200000); /* what is still on its way */
	answers_take(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "to", required_argument, NULL, 't' },
						 { "keys", required_argument, NULL, 'k' },
						 { "rate", required_argument, NULL, 'r' },
						 { "seconds", required_argument, NULL, 's' },
						 { "reference", no_argument, NULL, 'R' },
						 { 0 } };
	const char *to = NULL;
	const char *keys = NULL;
	unsigned long rate = 0;
	unsigned long seconds = 0;
	int option;

	if (datagram_setup())
		die("libsodium", "no source of randomness");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'R') {
			reference();
			return 0;
		}
		if (option == 't')
			to = optarg;
		else if (option == 'k')
			keys = optarg;
		else if (option == 'r')
			rate = number(optarg);
		else if (option == 's')
			seconds = number(optarg);
	}
	if (!to || !keys || !rate || !seconds) {
		(void)fprintf(stderr, "usage: datagrams_load --to ADDRESS:PORT --keys FILE "
				      "--rate N --seconds S | --reference\n");
		return 2;
	}
	hosts_read(keys);
	run(socket_open(to), rate, seconds);
	(void)printf("%" PRIu64 " beats sent, %" PRIu64 " refused by the kernel, %" PRIu64
		     " answered, %" PRIu64 " fenced, %" PRIu64 " challenges\n",
		     sent, refused, answers[DATAGRAM_STATUS], answers[DATAGRAM_FENCED],
		     answers[DATAGRAM_CHALLENGE]);
	return 0;
}
