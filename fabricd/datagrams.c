/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/datagrams.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/beat_datagram.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	WHY_MAX = 512,
	AT_ONCE = 64,
	ROUNDS = 64, /* of AT_ONCE, before others have their turn */
	ROOM = 4 << 20,
	BEAT_GAP_MS = 5,
	COMPLAIN_MS = 60000,
};

struct key {
	uint64_t hash;
	char host[CONFIG_TEXT_MAX];
	uint8_t key[DATAGRAM_KEY];
	uint64_t beat_ms;
};

/* One recvmmsg(). */
struct batch {
	struct mmsghdr messages[AT_ONCE];
	struct iovec vectors[AT_ONCE];
	struct sockaddr_storage from[AT_ONCE];
	uint8_t bytes[AT_ONCE][DATAGRAM_SIZE + 1];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control[AT_ONCE];
};

struct datagrams {
	struct event_base *base;
	struct channel_sink sink;
	uint64_t incarnation;
	int fd;
	struct event *readable;
	struct key *keys; /* sorted by hash */
	size_t key_count;
	uint64_t empty_ms; /* the queue was seen empty */
	uint64_t bad;
	uint64_t complained_ms;
	struct batch batch;
};

/* ---- keys ---- */

static int key_compare(const void *left, const void *right)
{
	const struct key *a = left;
	const struct key *b = right;

	return (a->hash > b->hash) - (a->hash < b->hash);
}

static struct key *key_find(const struct datagrams *d, uint64_t hash)
{
	const struct key wanted = { .hash = hash };

	return d->key_count ? bsearch(&wanted, d->keys, d->key_count, sizeof(*d->keys), key_compare)
			    : NULL;
}

static const char *key_reason(int r)
{
	if (r == -EPERM)
		return "others than its owner and group can read it";
	return r == -EINVAL ? "neither 32 bytes nor 64 hex digits" : strerror(-r);
}

static void keys_free(struct datagrams *d)
{
	if (d->keys)
		explicit_bzero(d->keys, d->key_count * sizeof(*d->keys));
	free(d->keys);
	d->keys = NULL;
	d->key_count = 0;
}

int datagrams_configure(struct datagrams *d, const struct config *config)
{
	struct key *keys = calloc(config->host_count + 1, sizeof(*keys));
	size_t count = 0;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < config->host_count; i++) {
		const struct config_host *host = &config->hosts[i];
		struct key *key = &keys[count];
		int r;

		if (!host->key_file[0])
			continue;
		r = datagram_key_load(host->key_file, key->key);
		if (r) {
			log_err("host %s: key file %s: %s", host->name, host->key_file,
				key_reason(r));
			continue;
		}
		memcpy(key->host, host->name, sizeof(key->host));
		key->hash = datagram_host_hash(host->name);
		count++;
	}
	qsort(keys, count, sizeof(*keys), key_compare);
	for (size_t i = 1; i < count; i++)
		if (keys[i].hash == keys[i - 1].hash)
			log_err("hosts %s and %s: their names have one hash: one of them is not "
				"heard by datagrams",
				keys[i - 1].host, keys[i].host);
	keys_free(d);
	d->keys = keys;
	d->key_count = count;
	return 0;
}

/* ---- what comes ---- */

uint64_t datagrams_received_ms(uint64_t boot_ms, uint64_t wall_ns, uint64_t stamp_ns,
			       uint64_t empty_ms)
{
	uint64_t age = stamp_ns && wall_ns > stamp_ns ? (wall_ns - stamp_ns) / 1000000 : 0;
	uint64_t most = boot_ms > empty_ms ? boot_ms - empty_ms : 0;

	return boot_ms - (age < most ? age : most);
}

static void doubt(struct datagrams *d, const struct sockaddr_storage *from, const char *why)
{
	uint64_t now = clock_boot_ms();
	char name[INET6_ADDRSTRLEN] = "?";

	d->bad++;
	if (d->complained_ms && now - d->complained_ms < COMPLAIN_MS)
		return;
	d->complained_ms = now;
	if (from->ss_family == AF_INET)
		(void)evutil_inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, name,
				       sizeof(name));
	else if (from->ss_family == AF_INET6)
		(void)evutil_inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr,
				       name, sizeof(name));
	log_warning("datagram from %s: not taken (%" PRIu64 " so far): %s", name, d->bad, why);
}

static uint64_t stamp_of(struct msghdr *message)
{
	struct timespec ts = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(ts)))
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void answer(struct datagrams *d, const struct key *key, struct datagram *beat, int r,
		   uint64_t epoch, const struct msghdr *to)
{
	uint8_t bytes[DATAGRAM_SIZE];

	beat->type = r ? DATAGRAM_FENCED : DATAGRAM_STATUS;
	beat->epoch = epoch;
	beat->incarnation = d->incarnation;
	beat->nonce = 0;
	datagram_seal(beat, key->key, bytes);
	/* One that is lost is as good as one that could not leave. */
	(void)sendto(d->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL, to->msg_name,
		     to->msg_namelen);
}

static void datagram_take(struct datagrams *d, struct mmsghdr *m, uint64_t received_ms)
{
	const uint8_t *bytes = m->msg_hdr.msg_iov->iov_base;
	const struct sockaddr_storage *from = m->msg_hdr.msg_name;
	struct datagram beat;
	struct key *key;
	uint64_t hash = 0;
	uint64_t epoch = 0;
	char boot_id[37];
	int r;

	if (datagram_host_peek(bytes, m->msg_len, &hash)) {
		doubt(d, from, "it is none of ours");
		return;
	}
	key = key_find(d, hash);
	if (!key || datagram_open(bytes, m->msg_len, key->key, &beat) ||
	    beat.type != DATAGRAM_BEAT) {
		doubt(d, from, key ? "not sealed with the host's key, or no beat" : "no such host");
		return;
	}
	if (received_ms - key->beat_ms < BEAT_GAP_MS && received_ms >= key->beat_ms)
		return;
	key->beat_ms = received_ms;
	datagram_boot_id_format(beat.boot_id, boot_id);
	r = d->sink.beat(d->sink.arg, key->host, boot_id, beat.seq, received_ms, &epoch);
	if (!r || r == REFUSE_HOST_FENCED)
		answer(d, key, &beat, r, epoch, &m->msg_hdr);
	else
		doubt(d, from, r > 0 ? refusal_text(r) : strerror(-r));
}

static void batch_prepare(struct batch *b)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		b->vectors[i] = (struct iovec){ b->bytes[i], sizeof(b->bytes[i]) };
		b->messages[i].msg_hdr =
			(struct msghdr){ .msg_name = &b->from[i],
					 .msg_namelen = sizeof(b->from[i]),
					 .msg_iov = &b->vectors[i],
					 .msg_iovlen = 1,
					 .msg_control = b->control[i].bytes,
					 .msg_controllen = sizeof(b->control[i].bytes) };
	}
}

/* Return: false when there is no more. */
static bool batch_take(struct datagrams *d)
{
	uint64_t before_ms = clock_boot_ms();
	uint64_t boot_ms;
	uint64_t wall;
	int n;

	batch_prepare(&d->batch);
	n = recvmmsg(d->fd, d->batch.messages, AT_ONCE, MSG_DONTWAIT, NULL);
	boot_ms = clock_boot_ms();
	wall = wall_ns();
	for (int i = 0; i < n; i++)
		datagram_take(d, &d->batch.messages[i],
			      datagrams_received_ms(boot_ms, wall,
						    stamp_of(&d->batch.messages[i].msg_hdr),
						    d->empty_ms));
	if (n == AT_ONCE)
		return true;
	d->empty_ms = before_ms; /* it was empty at some time since */
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	for (int i = 0; i < ROUNDS && batch_take(arg); i++)
		;
}

/* ---- the socket ---- */

static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int socket_open(struct datagrams *d, const char *where, char *why)
{
	struct sockaddr_storage address;
	int length = sizeof(address);
	int on = 1;
	int room = ROOM;

	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&address, &length) ||
	    !has_port(&address)) {
		(void)snprintf(why, WHY_MAX,
			       "heartbeat.udp: not an address and a port as 192.0.2.1:7070: %s",
			       where);
		return REFUSE_FIELD;
	}
	d->fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* With less room, more is lost while the manager stands still. */
	if (d->fd >= 0 && setsockopt(d->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		(void)setsockopt(d->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (d->fd < 0 || setsockopt(d->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(d->fd, (struct sockaddr *)&address, (socklen_t)length)) {
		int error = errno;

		(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s: %s", where, strerror(error));
		return -error;
	}
	return 0;
}

static int datagrams_open(struct datagrams *d, const struct config *config, char *why)
{
	int r = datagram_setup();

	if (!r)
		r = socket_open(d, config->udp, why);
	if (!r)
		r = datagrams_configure(d, config);
	if (r)
		return r;
	d->readable = event_new(d->base, d->fd, EV_READ | EV_PERSIST, on_readable, d);
	return d->readable && !event_add(d->readable, NULL) ? 0 : -ENOMEM;
}

int datagrams_new(struct event_base *base, const struct config *config, const char *incarnation,
		  const struct channel_sink *sink, char *why, struct datagrams **out)
{
	struct datagrams *d = calloc(1, sizeof(*d));
	int r;

	(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s", strerror(ENOMEM));
	if (!d)
		return -ENOMEM;
	d->base = base;
	d->sink = *sink;
	d->incarnation = datagram_host_hash(incarnation);
	d->fd = -1;
	d->empty_ms = clock_boot_ms();
	r = datagrams_open(d, config, why);
	if (r) {
		datagrams_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void datagrams_free(struct datagrams *d)
{
	if (!d)
		return;
	if (d->readable)
		event_free(d->readable);
	if (d->fd >= 0)
		close(d->fd);
	keys_free(d);
	free(d);
}
