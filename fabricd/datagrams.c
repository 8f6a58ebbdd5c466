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
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/beat_datagram.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	WHY_MAX = 512,
	AT_ONCE = 64,
	/* Of AT_ONCE, before others have their turn: more than ROOM holds (which the kernel
	 * doubles, and of which a datagram takes 768 bytes), so that what had come is taken in
	 * whole. */
	ROUNDS = 256,
	ROOM = 4 << 20,
	BUSY_MS = 1, /* two wakeups so close together: from now on it is looked at */
	REST_MS = 2, /* so often, for as long as something comes */
	BEAT_GAP_MS = 5,
	COMPLAIN_MS = 60000,
	UDP_LISTENERS = 4,
	LISTENERS = UDP_LISTENERS + 1,
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
	struct host_keys keys;
	bool is_enrolled; /* @keys are in the folder */
	bool by_old;      /* the datagram that is being answered was sealed with the old one */
	struct session session;
};

/* One address: a network of its own, where there are several. */
struct listener {
	struct datagrams *all;
	unsigned n;
	int fd; /* -1: none */
	struct event *readable;
	struct event *rest; /* in its place while much comes */
	uint64_t woken_ms;
	uint64_t empty_ms; /* the queue was seen empty */
	const char *path;  /* of a Unix socket that is ours; NULL: none */
	char way[BEAT_WAY_MAX];
};

/* One recvmmsg(), and the sendmmsg() with the answers to it. */
struct batch {
	struct mmsghdr messages[AT_ONCE];
	struct iovec vectors[AT_ONCE];
	struct sockaddr_storage from[AT_ONCE];
	uint8_t bytes[AT_ONCE][DATAGRAM_SIZE + 1];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control[AT_ONCE];
	struct mmsghdr answers[AT_ONCE];
	struct iovec answer_vectors[AT_ONCE];
	uint8_t answer_bytes[AT_ONCE][DATAGRAM_SIZE];
	unsigned answer_count;
};

struct datagrams {
	struct event_base *base;
	struct channel_sink sink;
	uint64_t incarnation;
	const char *folder; /* of enrolled keys; NULL: none */
	struct listener listeners[LISTENERS];
	size_t listener_count;
	char unix_path[CONFIG_TEXT_MAX];
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

/* Those that are being read. */
struct key_list {
	struct key *at;
	size_t count;
	int r;
};

static struct key *list_get(struct key_list *list, const char *host)
{
	uint64_t hash = datagram_host_hash(host);
	struct key *grown;

	for (size_t i = 0; i < list->count; i++) {
		struct key *key = &list->at[i];

		if (key->hash != hash)
			continue;
		if (!strcmp(key->keys.host, host))
			return key;
		log_err("hosts %s and %s: their names have one hash: the first alone is heard by "
			"datagrams",
			key->keys.host, host);
		return NULL;
	}
	grown = calloc(list->count + 1, sizeof(*grown));
	if (!grown) {
		list->r = -ENOMEM;
		return NULL;
	}
	if (list->at) {
		memcpy(grown, list->at, list->count * sizeof(*grown));
		explicit_bzero(list->at, list->count * sizeof(*grown));
		free(list->at);
	}
	list->at = grown;
	grown[list->count].hash = hash;
	return &grown[list->count++];
}

static void list_add_enrolled(void *arg, const struct host_keys *keys)
{
	struct key *key = list_get(arg, keys->host);

	if (!key)
		return;
	key->keys = *keys;
	key->is_enrolled = true;
}

static void list_add_configured(struct key_list *list, const struct config_host *host)
{
	struct host_keys keys = { 0 };
	struct key *key;
	int r = datagram_key_load(host->key_file, keys.key);

	if (r) {
		log_err("host %s: key file %s: %s", host->name, host->key_file, key_reason(r));
		return;
	}
	(void)snprintf(keys.host, sizeof(keys.host), "%s", host->name);
	key = list_get(list, host->name);
	/* One that was enrolled has taken its place. */
	if (key && !key->is_enrolled)
		key->keys = keys;
	explicit_bzero(&keys, sizeof(keys));
}

static bool is_same_key(const struct host_keys *a, const struct host_keys *b)
{
	return !memcmp(a->key, b->key, sizeof(a->key));
}

/* @list takes the place of what was there. Whoever has proved himself with the same key need not do
 * so again. */
static void keys_replace(struct datagrams *d, struct key_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct key *was = key_find(d, list->at[i].hash);

		if (was && is_same_key(&was->keys, &list->at[i].keys))
			list->at[i].session = was->session;
	}
	keys_free(d);
	if (list->count)
		qsort(list->at, list->count, sizeof(*list->at), key_compare);
	d->keys = list->at;
	d->key_count = list->count;
}

int datagrams_configure(struct datagrams *d, const struct config *config)
{
	struct key_list list = { 0 };
	int r = d->folder ? host_keys_each(d->folder, list_add_enrolled, &list) : 0;

	if (r)
		log_err("keys: %s: %s", d->folder, strerror(-r));
	for (size_t i = 0; i < config->host_count; i++)
		if (config->hosts[i].key_file[0])
			list_add_configured(&list, &config->hosts[i]);
	if (list.r) {
		if (list.at)
			explicit_bzero(list.at, list.count * sizeof(*list.at));
		free(list.at);
		return list.r;
	}
	keys_replace(d, &list);
	return 0;
}

static int key_add(struct datagrams *d, const char *host, struct key **out)
{
	struct key_list list = { .at = d->keys, .count = d->key_count };
	struct key *key = list_get(&list, host);

	if (!key)
		return list.r ? list.r : -EEXIST;
	(void)snprintf(key->keys.host, sizeof(key->keys.host), "%s", host);
	d->keys = list.at;
	d->key_count = list.count;
	qsort(d->keys, d->key_count, sizeof(*d->keys), key_compare);
	*out = key_find(d, datagram_host_hash(host));
	return 0;
}

int datagrams_enroll(struct datagrams *d, const char *host, char text[static HOST_KEY_TEXT])
{
	struct key *key = key_find(d, datagram_host_hash(host));
	struct host_keys keys = { 0 };
	int r;

	if (!d->folder)
		return -EOPNOTSUPP;
	if (key && strcmp(key->keys.host, host) != 0)
		return -EEXIST;
	if (key)
		keys = key->keys;
	/* The one that the agent may have stays; one that was made since, and never used, does not.
	 */
	if (key && !keys.has_old) {
		keys.has_old = true;
		memcpy(keys.old, keys.key, sizeof(keys.old));
	}
	(void)snprintf(keys.host, sizeof(keys.host), "%s", host);
	datagram_key_make(keys.key);
	r = host_keys_store(d->folder, &keys);
	if (!r && !key)
		r = key_add(d, host, &key);
	if (!r) {
		key->keys = keys;
		key->is_enrolled = true;
		host_key_format(keys.key, text);
	}
	explicit_bzero(&keys, sizeof(keys));
	return r;
}

/* The agent has the new key: the old one is accepted no more. */
static void key_settle(const struct datagrams *d, struct key *key)
{
	int r;

	explicit_bzero(key->keys.old, sizeof(key->keys.old));
	key->keys.has_old = false;
	r = host_keys_store(d->folder, &key->keys);
	log_notice("host %s: beats under its new key; the old one is accepted no more",
		   key->keys.host);
	if (r)
		log_err("host %s: its old key cannot be removed from %s: %s", key->keys.host,
			d->folder, strerror(-r));
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
	if (from->ss_family == AF_UNIX)
		(void)snprintf(name, sizeof(name), "this machine");
	else if (from->ss_family == AF_INET)
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
	struct batch *b = &l->all->batch;
	unsigned n = b->answer_count;

	/* Who did not bind his socket cannot be answered, and each is answered once. */
	if (n == AT_ONCE || to->msg_namelen <= sizeof(sa_family_t))
		return;
	b->answer_count++;
	d->incarnation = l->all->incarnation;
	datagram_seal(d, key->by_old ? key->keys.old : key->keys.key, b->answer_bytes[n]);
	b->answer_vectors[n] = (struct iovec){ b->answer_bytes[n], DATAGRAM_SIZE };
	b->answers[n].msg_hdr = (struct msghdr){ .msg_name = to->msg_name,
						 .msg_namelen = to->msg_namelen,
						 .msg_iov = &b->answer_vectors[n],
						 .msg_iovlen = 1 };
}

/* One that is lost is as good as one that could not leave. */
static void answers_send(const struct listener *l, struct batch *b)
{
	unsigned at = 0;

	while (at < b->answer_count) {
		int n = sendmmsg(l->fd, b->answers + at, b->answer_count - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (unsigned)n : 1; /* the first of them cannot leave */
	}
	b->answer_count = 0;
}

static void heard(const struct listener *l, const struct key *key, enum beat_kind kind,
		  uint64_t received_ms)
{
	const struct channel_sink *sink = &l->all->sink;

	if (sink->heard)
		sink->heard(sink->arg, key->keys.host, l->way, kind, received_ms);
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

static void claim_pass(const struct listener *l, const struct key *key, const struct datagram *d,
		       const char boot_id[static 37])
{
	const struct channel_sink *sink = &l->all->sink;
	struct agent_line claim = { .type = AGENT_STOPPED, .epoch = d->epoch };

	memcpy(claim.boot_id, boot_id, sizeof(claim.boot_id));
	datagram_claim_read(d->nonce, &claim.stopped, &claim.still);
	if (sink->stopped)
		sink->stopped(sink->arg, key->keys.host, &claim);
}

static void beat_pass(struct listener *l, struct key *key, struct datagram *d, uint64_t received_ms,
		      const struct msghdr *to)
{
	const struct channel_sink *sink = &l->all->sink;
	uint64_t epoch = 0;
	char boot_id[37];
	int r;

	datagram_boot_id_format(d->boot_id, boot_id);
	r = (d->type == DATAGRAM_LEAVING && sink->leaving ? sink->leaving : sink->beat)(
		sink->arg, key->keys.host, boot_id, d->seq, received_ms, &epoch);
	if (r && r != REFUSE_HOST_FENCED) {
		doubt(l->all, to->msg_name, r > 0 ? refusal_text(r) : strerror(-r));
		return;
	}
	if (d->type == DATAGRAM_STOPPED)
		claim_pass(l, key, d, boot_id);
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

	if (is_new && d->type != DATAGRAM_RESPONSE) {
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
	if (d->type == DATAGRAM_BEAT && received_ms - s->beat_ms[l->n] < BEAT_GAP_MS &&
	    received_ms >= s->beat_ms[l->n])
		return;
	s->beat_ms[l->n] = received_ms;
	if (d->incarnation == l->all->incarnation && l->all->sink.told)
		l->all->sink.told(l->all->sink.arg, key->keys.host, d->epoch);
	if (key->keys.has_old && !key->by_old)
		key_settle(l->all, key);
	beat_pass(l, key, d, received_ms, to);
}

/* Opens it with the key, or with the one before. */
static int key_open(struct key *key, const uint8_t *bytes, size_t length, struct datagram *out)
{
	int r = datagram_open(bytes, length, key->keys.key, out);

	key->by_old = false;
	if (r == -EPERM && key->keys.has_old) {
		r = datagram_open(bytes, length, key->keys.old, out);
		key->by_old = !r;
	}
	return r;
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
	if (!key || key_open(key, bytes, m->msg_len, &d) ||
	    (d.type != DATAGRAM_BEAT && d.type != DATAGRAM_LEAVING && d.type != DATAGRAM_STOPPED &&
	     d.type != DATAGRAM_RESPONSE)) {
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

/* Return: how many; less than AT_ONCE: there is no more. */
static int batch_take(struct listener *l)
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
	answers_send(l, &d->batch);
	if (n < AT_ONCE)
		l->empty_ms = before_ms; /* it was empty at some time since */
	return n > 0 ? n : 0;
}

/* Return: how many there were. */
static int listener_take(struct listener *l)
{
	int all = 0;
	int n = AT_ONCE;

	for (int i = 0; i < ROUNDS && n == AT_ONCE; i++) {
		n = batch_take(l);
		all += n;
	}
	return all;
}

static void rest(struct listener *l)
{
	const struct timeval tv = { .tv_usec = REST_MS * 1000 };

	/* Where there is no memory for a timer it stays as it was. */
	if (!event_add(l->rest, &tv))
		event_del(l->readable);
}

/* Where many beat, each would wake us by itself. The kernel has noted when each came, and before a
 * verdict all are taken in (datagrams_drain()): they may lie for a while. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	uint64_t now = clock_boot_ms();

	(void)fd;
	(void)what;
	(void)listener_take(l);
	if (now - l->woken_ms <= BUSY_MS)
		rest(l);
	l->woken_ms = now;
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	if (listener_take(l))
		rest(l);
	else
		(void)!event_add(l->readable, NULL); /* fails for want of memory alone: at start */
}

void datagrams_drain(struct datagrams *d)
{
	for (size_t i = 0; i < d->listener_count; i++)
		(void)listener_take(&d->listeners[i]);
}

/* ---- the socket ---- */

static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int socket_bind(struct listener *l, const struct sockaddr *address, socklen_t length)
{
	int on = 1;
	int room = ROOM;

	l->fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* With less room, more is lost while the manager stands still. */
	if (l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(l->fd, address, length))
		return -errno;
	return 0;
}

static int udp_open(struct listener *l, const char *where, char *why)
{
	struct sockaddr_storage address;
	int length = sizeof(address);
	int r;

	(void)snprintf(l->way, sizeof(l->way), "udp %.*s", BEAT_WAY_MAX - 5, where);
	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&address, &length) ||
	    !has_port(&address)) {
		(void)snprintf(why, WHY_MAX,
			       "heartbeat.udp: not an address and a port as 192.0.2.1:7070: %s",
			       where);
		return REFUSE_FIELD;
	}
	r = socket_bind(l, (struct sockaddr *)&address, (socklen_t)length);
	if (r)
		(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s: %s", where, strerror(-r));
	return r;
}

/* A socket that nobody hears any more was left by one who died. */
static bool is_left_over(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool is;

	if (fd < 0)
		return false;
	is = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	     errno == ECONNREFUSED && !stat(address->sun_path, &st) && S_ISSOCK(st.st_mode);
	close(fd);
	return is;
}

static int unix_open(struct listener *l, const char *path, char *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r = -ENAMETOOLONG;

	(void)snprintf(l->way, sizeof(l->way), "unix %.*s", BEAT_WAY_MAX - 6, path);
	if (strlen(path) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, strlen(path));
		if (is_left_over(&address))
			(void)unlink(path); /* if it cannot be, bind() says why */
		r = socket_bind(l, (const struct sockaddr *)&address, sizeof(address));
	}
	if (!r)
		l->path = path;
	if (!r && chmod(path, 0660))
		r = -errno;
	if (r)
		(void)snprintf(why, WHY_MAX, "heartbeat.unix: %s: %s", path, strerror(-r));
	return r;
}

typedef int open_fn(struct listener *l, const char *where, char *why);

static int listener_open(struct datagrams *d, open_fn *open, const char *where, char *why)
{
	struct listener *l = &d->listeners[d->listener_count];
	int r;

	*l = (struct listener){ .all = d, .n = (unsigned)d->listener_count++, .fd = -1 };
	l->empty_ms = clock_boot_ms();
	r = open(l, where, why);
	if (r)
		return r;
	l->readable = event_new(d->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->rest = evtimer_new(d->base, on_rest, l);
	return l->readable && l->rest && !event_add(l->readable, NULL) ? 0 : -ENOMEM;
}

static bool is_set(const char *key)
{
	return strcmp(key, CONFIG_NONE) != 0;
}

bool datagrams_are_wanted(const struct config *config)
{
	return is_set(config->udp) || is_set(config->unix_path);
}

static int udps_open(struct datagrams *d, const char *udp, char *why)
{
	char list[CONFIG_TEXT_MAX];
	char *rest_of = list;
	char *where;
	int r = 0;

	(void)snprintf(list, sizeof(list), "%s", udp);
	while (!r && (where = strsep(&rest_of, ", "))) {
		if (!*where)
			continue;
		if (d->listener_count == UDP_LISTENERS) {
			(void)snprintf(why, WHY_MAX, "heartbeat.udp: more than %d addresses",
				       UDP_LISTENERS);
			return REFUSE_FIELD;
		}
		r = listener_open(d, udp_open, where, why);
	}
	return r;
}

static int datagrams_open(struct datagrams *d, const struct config *config, char *why)
{
	int r = datagram_setup();

	if (!r && is_set(config->udp))
		r = udps_open(d, config->udp, why);
	if (!r && is_set(config->unix_path))
		r = listener_open(d, unix_open, d->unix_path, why);
	if (!r)
		r = datagrams_configure(d, config);
	return r;
}

int datagrams_new(struct event_base *base, const struct config *config, const char *incarnation,
		  const char *keys, const struct channel_sink *sink, char *why,
		  struct datagrams **out)
{
	struct datagrams *d = calloc(1, sizeof(*d));
	int r;

	(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s", strerror(ENOMEM));
	if (!d)
		return -ENOMEM;
	d->base = base;
	d->sink = *sink;
	d->folder = keys;
	d->incarnation = datagram_host_hash(incarnation);
	(void)snprintf(d->unix_path, sizeof(d->unix_path), "%s", config->unix_path);
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
		if (d->listeners[i].rest)
			event_free(d->listeners[i].rest);
		if (d->listeners[i].path)
			(void)unlink(d->listeners[i].path); /* the next one does so too */
		if (d->listeners[i].fd >= 0)
			close(d->listeners[i].fd);
	}
	keys_free(d);
	free(d);
}
