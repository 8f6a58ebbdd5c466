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
	LISTENERS = 4,
	NONCE_MS = 2000, /* a response that takes longer is none */
	FORMER = 8,
	WINDOW = 64, /* numbers that are told apart from one that came before */
};

/* What is known of the boot that a host beats under. Lost with the process: after a restart each
 * host is challenged anew, so nothing that was recorded before counts. */
struct session {
	bool is_proved; /* @boot_id has answered a challenge */
	uint8_t boot_id[DATAGRAM_BOOT_ID];
	uint64_t top;   /* highest number under it */
	uint64_t came;  /* bit n: @top - n has come */
	uint64_t nonce; /* of the challenge that may be answered, once; 0: none */
	uint64_t nonce_ms;
	uint8_t former[FORMER][DATAGRAM_BOOT_ID]; /* boots that were proved before */
	unsigned former_count;
	uint64_t beat_ms[LISTENERS]; /* when the last one was passed on */
};

struct key {
	uint64_t hash;
	char host[CONFIG_TEXT_MAX];
	uint8_t key[DATAGRAM_KEY];
	struct session session;
};

/* One address: a network of its own, where there are several. */
struct listener {
	struct datagrams *all;
	unsigned n;
	int fd; /* -1: none */
	struct event *readable;
	uint64_t empty_ms; /* the queue was seen empty */
	char way[BEAT_WAY_MAX];
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
	struct listener listeners[LISTENERS];
	size_t listener_count;
	struct key *keys; /* sorted by hash */
	size_t key_count;
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
	/* Whoever has proved himself with this key need not do so again. */
	for (size_t i = 0; i < count; i++) {
		const struct key *was = key_find(d, keys[i].hash);

		if (was && !memcmp(was->key, keys[i].key, sizeof(was->key)))
			keys[i].session = was->session;
	}
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

static void answer(const struct listener *l, const struct key *key, struct datagram *d,
		   const struct msghdr *to)
{
	uint8_t bytes[DATAGRAM_SIZE];

	d->incarnation = l->all->incarnation;
	datagram_seal(d, key->key, bytes);
	/* One that is lost is as good as one that could not leave. */
	(void)sendto(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL, to->msg_name,
		     to->msg_namelen);
}

static void heard(const struct listener *l, const struct key *key, enum beat_kind kind,
		  uint64_t received_ms)
{
	const struct channel_sink *sink = &l->all->sink;

	if (sink->heard)
		sink->heard(sink->arg, key->host, l->way, kind, received_ms);
}

/* Numbers rise over all ways together, so one network may overtake another. */
static enum beat_kind number_take(struct session *s, uint64_t seq)
{
	uint64_t behind = s->top - seq;

	if (seq > s->top) {
		uint64_t ahead = seq - s->top;

		s->came = (ahead < WINDOW ? s->came << ahead : 0) | 1;
		s->top = seq;
		return BEAT_COUNTED;
	}
	if (behind >= WINDOW)
		return BEAT_LATE;
	if (s->came & 1ULL << behind)
		return BEAT_DOUBLED;
	s->came |= 1ULL << behind;
	return BEAT_REORDERED;
}

static bool is_of_this_boot(const struct session *s, const struct datagram *d)
{
	return s->is_proved && !memcmp(s->boot_id, d->boot_id, DATAGRAM_BOOT_ID);
}

static bool is_of_former_boot(const struct session *s, const struct datagram *d)
{
	for (unsigned i = 0; i < s->former_count && i < FORMER; i++)
		if (!memcmp(s->former[i], d->boot_id, DATAGRAM_BOOT_ID))
			return true;
	return false;
}

/* One nonce for whoever asks within its time: what is replayed meanwhile takes it from nobody. */
static void challenge(const struct listener *l, struct key *key, struct datagram *d,
		      uint64_t received_ms, const struct msghdr *to)
{
	struct session *s = &key->session;
	uint64_t now = clock_boot_ms();

	heard(l, key, is_of_former_boot(s, d) ? BEAT_REPLAYED : BEAT_CHALLENGED, received_ms);
	if (!s->nonce || now - s->nonce_ms > NONCE_MS) {
		s->nonce = datagram_nonce();
		s->nonce_ms = now;
	}
	d->type = DATAGRAM_CHALLENGE;
	d->epoch = 0;
	d->nonce = s->nonce;
	answer(l, key, d, to);
}

/* Return: false for what answers no challenge of ours, or answers it too late, or again. */
static bool boot_prove(struct session *s, const struct datagram *d, uint64_t received_ms)
{
	if (!s->nonce || d->nonce != s->nonce || received_ms > s->nonce_ms + NONCE_MS || !d->seq)
		return false;
	if (s->is_proved)
		memcpy(s->former[s->former_count++ % FORMER], s->boot_id, DATAGRAM_BOOT_ID);
	memcpy(s->boot_id, d->boot_id, DATAGRAM_BOOT_ID);
	s->is_proved = true;
	s->nonce = 0;
	s->top = d->seq - 1;
	s->came = UINT64_MAX; /* what it sent before is not known to be fresh */
	return true;
}

static void beat_pass(struct listener *l, struct key *key, struct datagram *d, uint64_t received_ms,
		      const struct msghdr *to)
{
	const struct channel_sink *sink = &l->all->sink;
	uint64_t epoch = 0;
	char boot_id[37];
	int r;

	datagram_boot_id_format(d->boot_id, boot_id);
	r = sink->beat(sink->arg, key->host, boot_id, d->seq, received_ms, &epoch);
	if (r && r != REFUSE_HOST_FENCED) {
		doubt(l->all, to->msg_name, r > 0 ? refusal_text(r) : strerror(-r));
		return;
	}
	d->type = r ? DATAGRAM_FENCED : DATAGRAM_STATUS;
	d->epoch = epoch;
	d->nonce = 0;
	answer(l, key, d, to);
}

/* It is sealed with the host's key. */
static void beat_take(struct listener *l, struct key *key, struct datagram *d, uint64_t received_ms,
		      const struct msghdr *to)
{
	struct session *s = &key->session;
	bool is_new = !is_of_this_boot(s, d);
	enum beat_kind kind;

	if (is_new && d->type == DATAGRAM_BEAT) {
		challenge(l, key, d, received_ms, to);
		return;
	}
	if (is_new && !boot_prove(s, d, received_ms)) {
		heard(l, key, BEAT_REPLAYED, received_ms);
		return;
	}
	kind = number_take(s, d->seq);
	heard(l, key, kind, received_ms);
	if (kind != BEAT_COUNTED && kind != BEAT_REORDERED)
		return;
	if (!is_new && received_ms - s->beat_ms[l->n] < BEAT_GAP_MS &&
	    received_ms >= s->beat_ms[l->n])
		return;
	s->beat_ms[l->n] = received_ms;
	beat_pass(l, key, d, received_ms, to);
}

static void datagram_take(struct listener *l, struct mmsghdr *m, uint64_t received_ms)
{
	const uint8_t *bytes = m->msg_hdr.msg_iov->iov_base;
	const struct sockaddr_storage *from = m->msg_hdr.msg_name;
	struct datagram d;
	struct key *key;
	uint64_t hash = 0;

	if (datagram_host_peek(bytes, m->msg_len, &hash)) {
		doubt(l->all, from, "it is none of ours");
		return;
	}
	key = key_find(l->all, hash);
	if (!key || datagram_open(bytes, m->msg_len, key->key, &d) ||
	    (d.type != DATAGRAM_BEAT && d.type != DATAGRAM_RESPONSE)) {
		if (key)
			heard(l, key, BEAT_FORGED, received_ms);
		doubt(l->all, from,
		      key ? "not sealed with the host's key, or no beat" : "no such host");
		return;
	}
	beat_take(l, key, &d, received_ms, &m->msg_hdr);
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
static bool batch_take(struct listener *l)
{
	struct datagrams *d = l->all;
	uint64_t before_ms = clock_boot_ms();
	uint64_t boot_ms;
	uint64_t wall;
	int n;

	batch_prepare(&d->batch);
	n = recvmmsg(l->fd, d->batch.messages, AT_ONCE, MSG_DONTWAIT, NULL);
	boot_ms = clock_boot_ms();
	wall = wall_ns();
	for (int i = 0; i < n; i++)
		datagram_take(l, &d->batch.messages[i],
			      datagrams_received_ms(boot_ms, wall,
						    stamp_of(&d->batch.messages[i].msg_hdr),
						    l->empty_ms));
	if (n == AT_ONCE)
		return true;
	l->empty_ms = before_ms; /* it was empty at some time since */
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

static int socket_open(struct listener *l, const char *where, char *why)
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
	l->fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* With less room, more is lost while the manager stands still. */
	if (l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(l->fd, (struct sockaddr *)&address, (socklen_t)length)) {
		int error = errno;

		(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s: %s", where, strerror(error));
		return -error;
	}
	return 0;
}

static int listener_open(struct datagrams *d, const char *where, char *why)
{
	struct listener *l = &d->listeners[d->listener_count];
	int r;

	if (d->listener_count == LISTENERS) {
		(void)snprintf(why, WHY_MAX, "heartbeat.udp: more than %d addresses", LISTENERS);
		return REFUSE_FIELD;
	}
	*l = (struct listener){ .all = d, .n = (unsigned)d->listener_count++, .fd = -1 };
	l->empty_ms = clock_boot_ms();
	(void)snprintf(l->way, sizeof(l->way), "udp %.*s", BEAT_WAY_MAX - 5, where);
	r = socket_open(l, where, why);
	if (r)
		return r;
	l->readable = event_new(d->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	return l->readable && !event_add(l->readable, NULL) ? 0 : -ENOMEM;
}

static int datagrams_open(struct datagrams *d, const struct config *config, char *why)
{
	char list[CONFIG_TEXT_MAX];
	char *rest = list;
	char *where;
	int r = datagram_setup();

	(void)snprintf(list, sizeof(list), "%s", config->udp);
	while (!r && (where = strsep(&rest, ", ")))
		if (*where)
			r = listener_open(d, where, why);
	if (!r)
		r = datagrams_configure(d, config);
	return r;
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
	for (size_t i = 0; i < d->listener_count; i++) {
		if (d->listeners[i].readable)
			event_free(d->listeners[i].readable);
		if (d->listeners[i].fd >= 0)
			close(d->listeners[i].fd);
	}
	keys_free(d);
	free(d);
}
