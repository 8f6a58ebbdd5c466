/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"

enum {
	BEAT_GAP_MS = 5,
	NONCE_MS = 2000, /* a response that takes longer is none */
	FORMER = 8,
	ASKED = 8,
	WINDOW = 64, /* numbers that are told apart from one that came before */
};

/* What a boot said before it had proved itself. */
struct asked {
	uint8_t boot_id[DATAGRAM_BOOT_ID];
	uint64_t top; /* highest number; 0: none */
};

/* What is known of the boot that a host beats under. */
struct session {
	bool is_proved; /* @boot_id has answered a challenge */
	uint8_t boot_id[DATAGRAM_BOOT_ID];
	uint64_t top;   /* highest number under it */
	uint64_t came;  /* bit n: @top - n has come */
	uint64_t nonce; /* of the challenge that may be answered, once; 0: none */
	uint64_t nonce_ms;
	uint8_t former[FORMER][DATAGRAM_BOOT_ID]; /* boots that were proved before */
	unsigned former_count;
	struct asked asked[ASKED]; /* the last ones that were challenged */
	unsigned asked_next;
	uint64_t beat_ms[SESSIONS_WAYS]; /* when the last one was passed on */
};

struct key {
	uint64_t hash;
	struct host_keys keys;
	bool is_enrolled; /* @keys are in the store */
	bool by_old;      /* the datagram that is being answered was sealed with the old one */
	struct session session;
};

struct sessions {
	struct channel_sink sink;
	uint64_t incarnation;
	const struct sessions_store *store; /* NULL: none */
	struct key *keys;                   /* sorted by hash */
	size_t key_count;
};

/* ---- keys ---- */

static int key_compare(const void *left, const void *right)
{
	const struct key *a = left;
	const struct key *b = right;

	return (a->hash > b->hash) - (a->hash < b->hash);
}

static struct key *key_find(const struct sessions *s, uint64_t hash)
{
	const struct key wanted = { .hash = hash };

	return s->key_count ? bsearch(&wanted, s->keys, s->key_count, sizeof(*s->keys), key_compare)
			    : NULL;
}

static const char *key_reason(int r)
{
	if (r == -EPERM)
		return "others than its owner and group can read it";
	return r == -EINVAL ? "neither 32 bytes nor 64 hex digits" : strerror(-r);
}

static void keys_free(struct sessions *s)
{
	if (s->keys)
		explicit_bzero(s->keys, s->key_count * sizeof(*s->keys));
	free(s->keys);
	s->keys = NULL;
	s->key_count = 0;
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

/* The agent has the new key: the old one is accepted no more. */
static void key_settle(const struct sessions *s, struct key *key)
{
	int r;

	if (DEFECT(OLD_KEY_KEPT))
		return;
	explicit_bzero(key->keys.old, sizeof(key->keys.old));
	key->keys.has_old = false;
	r = s->store->store(s->store->arg, &key->keys);
	log_notice("host %s: beats under its new key; the old one is accepted no more",
		   key->keys.host);
	if (r)
		log_err("host %s: its old key cannot be removed from where keys are kept: %s",
			key->keys.host, strerror(-r));
}

/* @list takes the place of what was there. Whoever has proved himself with the same key need not do
 * so again, and an old one that was given up stays so: it could not be removed then. */
static void keys_replace(struct sessions *s, struct key_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct key *was = key_find(s, list->at[i].hash);
		struct key *key = &list->at[i];

		if (!was || !is_same_key(&was->keys, &key->keys))
			continue;
		key->session = was->session;
		if (key->keys.has_old && !was->keys.has_old)
			key_settle(s, key);
	}
	keys_free(s);
	if (list->count)
		qsort(list->at, list->count, sizeof(*list->at), key_compare);
	s->keys = list->at;
	s->key_count = list->count;
}

int sessions_configure(struct sessions *s, const struct config *config)
{
	struct key_list list = { 0 };
	int r = s->store ? s->store->each(s->store->arg, list_add_enrolled, &list) : 0;

	if (r)
		log_err("keys that were enrolled: %s", strerror(-r));
	for (size_t i = 0; i < config->host_count; i++)
		if (config->hosts[i].key_file[0])
			list_add_configured(&list, &config->hosts[i]);
	if (list.r) {
		if (list.at)
			explicit_bzero(list.at, list.count * sizeof(*list.at));
		free(list.at);
		return list.r;
	}
	keys_replace(s, &list);
	return 0;
}

static int key_add(struct sessions *s, const char *host, struct key **out)
{
	struct key_list list = { .at = s->keys, .count = s->key_count };
	struct key *key = list_get(&list, host);

	if (!key)
		return list.r ? list.r : -EEXIST;
	(void)snprintf(key->keys.host, sizeof(key->keys.host), "%s", host);
	s->keys = list.at;
	s->key_count = list.count;
	qsort(s->keys, s->key_count, sizeof(*s->keys), key_compare);
	*out = key_find(s, datagram_host_hash(host));
	return 0;
}

int sessions_enroll(struct sessions *s, const char *host, bool force,
		    char text[static HOST_KEY_TEXT])
{
	struct key *key = key_find(s, datagram_host_hash(host));
	struct host_keys keys = { 0 };
	int r;

	if (!s->store)
		return -EOPNOTSUPP;
	if (key && strcmp(key->keys.host, host) != 0)
		return -EEXIST;
	/* Whoever was brought it would be heard no more. */
	if (key && key->keys.has_old && !force)
		return -EBUSY;
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
	r = s->store->store(s->store->arg, &keys);
	if (!r && !key)
		r = key_add(s, host, &key);
	if (!r) {
		key->keys = keys;
		key->is_enrolled = true;
		host_key_format(keys.key, text);
	}
	explicit_bzero(&keys, sizeof(keys));
	return r;
}

/* ---- what comes ---- */

/* One datagram on its way through. */
struct taking {
	struct sessions *all;
	const struct sessions_came *came;
	struct key *key;
	uint8_t *answer; /* NULL: it cannot be, or has been */
	bool is_answered;
	const char *doubt;
};

static void answer(struct taking *t, struct datagram *d)
{
	if (!t->answer)
		return;
	d->incarnation = t->all->incarnation;
	datagram_seal(d, t->key->by_old ? t->key->keys.old : t->key->keys.key, t->answer);
	t->is_answered = true;
}

static void heard(const struct taking *t, enum beat_kind kind)
{
	const struct channel_sink *sink = &t->all->sink;

	if (sink->heard)
		sink->heard(sink->arg, t->key->keys.host, t->came->way->name, kind,
			    t->came->received_ms);
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
	if (s->came & 1ULL << behind && !DEFECT(NUMBERS_FORGOTTEN))
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

static struct asked *asked_find(struct session *s, const struct datagram *d)
{
	for (unsigned i = 0; i < ASKED; i++)
		if (s->asked[i].top && !memcmp(s->asked[i].boot_id, d->boot_id, DATAGRAM_BOOT_ID))
			return &s->asked[i];
	return NULL;
}

/* It has come, and does not count when it comes again: not under a boot that has proved itself
 * meanwhile either, by a response with a lower number, which was longer on its way. */
static void asked_note(struct session *s, const struct datagram *d)
{
	struct asked *asked = asked_find(s, d);

	if (!asked) {
		asked = &s->asked[s->asked_next++ % ASKED];
		memcpy(asked->boot_id, d->boot_id, DATAGRAM_BOOT_ID);
		asked->top = 0;
	}
	if (d->seq > asked->top && !DEFECT(ASKED_FORGOTTEN))
		asked->top = d->seq;
}

/* One nonce for whoever asks within its time: what is replayed meanwhile takes it from nobody. */
static void challenge(struct taking *t, struct datagram *d)
{
	struct session *s = &t->key->session;
	uint64_t now = t->came->now_ms;

	heard(t, is_of_former_boot(s, d) ? BEAT_REPLAYED : BEAT_CHALLENGED);
	if (!s->nonce || (now - s->nonce_ms > NONCE_MS && !DEFECT(NONCE_KEPT))) {
		s->nonce = datagram_nonce();
		s->nonce_ms = now;
	}
	asked_note(s, d);
	d->type = DATAGRAM_CHALLENGE;
	d->epoch = 0;
	d->nonce = s->nonce;
	answer(t, d);
}

static bool is_proof(const struct session *s, const struct datagram *d, uint64_t received_ms)
{
	bool is_late = received_ms > s->nonce_ms + NONCE_MS && !DEFECT(NONCE_KEPT);

	return DEFECT(BOOT_BELIEVED) || (s->nonce && d->nonce == s->nonce && !is_late && d->seq);
}

/* Return: false for what answers no challenge of ours, or answers it too late, or again. */
static bool boot_prove(struct session *s, const struct datagram *d, uint64_t received_ms)
{
	const struct asked *asked = asked_find(s, d);

	if (!is_proof(s, d, received_ms))
		return false;
	if (s->is_proved)
		memcpy(s->former[s->former_count++ % FORMER], s->boot_id, DATAGRAM_BOOT_ID);
	memcpy(s->boot_id, d->boot_id, DATAGRAM_BOOT_ID);
	s->is_proved = true;
	if (!DEFECT(NONCE_KEPT))
		s->nonce = 0;
	s->top = asked && asked->top > d->seq ? asked->top : d->seq;
	s->came = UINT64_MAX; /* what it sent before is not known to be fresh */
	return true;
}

static void claim_pass(const struct taking *t, const struct datagram *d,
		       const char boot_id[static 37])
{
	const struct channel_sink *sink = &t->all->sink;
	struct agent_line claim = { .type = AGENT_STOPPED, .epoch = d->epoch };

	memcpy(claim.boot_id, boot_id, sizeof(claim.boot_id));
	datagram_claim_read(d->nonce, &claim.stopped, &claim.still);
	if (sink->stopped)
		sink->stopped(sink->arg, t->key->keys.host, &claim);
}

static void beat_pass(struct taking *t, struct datagram *d)
{
	const struct channel_sink *sink = &t->all->sink;
	uint64_t epoch = 0;
	char boot_id[37];
	int r;

	datagram_boot_id_format(d->boot_id, boot_id);
	r = (d->type == DATAGRAM_LEAVING && sink->leaving ? sink->leaving : sink->beat)(
		sink->arg, t->key->keys.host, boot_id, d->seq, t->came->received_ms, &epoch);
	if (r && r != REFUSE_HOST_FENCED) {
		t->doubt = r > 0 ? refusal_text(r) : strerror(-r);
		return;
	}
	if (d->type == DATAGRAM_STOPPED)
		claim_pass(t, d, boot_id);
	d->type = r ? DATAGRAM_FENCED : DATAGRAM_STATUS;
	d->epoch = epoch;
	d->nonce = 0;
	answer(t, d);
}

/* It is sealed with the host's key. */
static void beat_take(struct taking *t, struct datagram *d)
{
	const struct channel_sink *sink = &t->all->sink;
	struct session *s = &t->key->session;
	uint64_t received_ms = t->came->received_ms;
	uint64_t *last_ms = &s->beat_ms[t->came->way->n];
	bool is_new = !is_of_this_boot(s, d);
	enum beat_kind kind;

	if (is_new && d->type != DATAGRAM_RESPONSE && !DEFECT(BOOT_BELIEVED)) {
		challenge(t, d);
		return;
	}
	if (is_new && !boot_prove(s, d, received_ms)) {
		asked_note(s, d);
		heard(t, BEAT_REPLAYED);
		return;
	}
	kind = is_new ? BEAT_COUNTED : number_take(s, d->seq);
	heard(t, kind);
	if (kind != BEAT_COUNTED && kind != BEAT_REORDERED)
		return;
	if (DEFECT(FIRST_WAY_ALONE) && t->came->way->n)
		return;
	if (d->type == DATAGRAM_BEAT && received_ms - *last_ms < BEAT_GAP_MS &&
	    received_ms >= *last_ms)
		return;
	*last_ms = received_ms;
	if (d->incarnation == t->all->incarnation && sink->told)
		sink->told(sink->arg, t->key->keys.host, d->epoch);
	if (t->key->keys.has_old && !t->key->by_old)
		key_settle(t->all, t->key);
	beat_pass(t, d);
}

/* Opens it with the key, or with the one before. */
static int key_open(const struct sessions *s, struct key *key, const uint8_t *bytes, size_t length,
		    struct datagram *out)
{
	int r = datagram_open(bytes, length, key->keys.key, out);

	key->by_old = false;
	if (r == -EPERM && key->keys.has_old) {
		r = datagram_open(bytes, length, key->keys.old, out);
		key->by_old = !r;
	}
	for (size_t i = 0; DEFECT(ANY_KEY) && r == -EPERM && i < s->key_count; i++)
		r = datagram_open(bytes, length, s->keys[i].keys.key, out);
	return r;
}

static bool is_for_us(const struct datagram *d)
{
	return d->type == DATAGRAM_BEAT || d->type == DATAGRAM_LEAVING ||
	       d->type == DATAGRAM_STOPPED || d->type == DATAGRAM_RESPONSE;
}

bool sessions_take(struct sessions *s, const struct sessions_came *came, uint8_t *answer,
		   const char **doubt)
{
	struct taking t = { .all = s, .came = came, .answer = answer };
	struct datagram d;
	uint64_t hash = 0;

	if (datagram_host_peek(came->bytes, came->length, &hash)) {
		*doubt = "it is none of ours";
		return false;
	}
	t.key = key_find(s, hash);
	if (!t.key) {
		*doubt = "no such host";
		return false;
	}
	if (key_open(s, t.key, came->bytes, came->length, &d) || !is_for_us(&d)) {
		heard(&t, BEAT_FORGED);
		*doubt = "not sealed with the host's key, or no beat";
		return false;
	}
	beat_take(&t, &d);
	*doubt = t.doubt;
	return t.is_answered;
}

uint64_t sessions_received_ms(uint64_t boot_ms, uint64_t wall_ns, uint64_t stamp_ns,
			      uint64_t empty_ms)
{
	uint64_t age = stamp_ns && wall_ns > stamp_ns ? (wall_ns - stamp_ns) / 1000000 : 0;
	uint64_t most = boot_ms > empty_ms ? boot_ms - empty_ms : 0;

	if (DEFECT(AGED_BY_READING))
		return boot_ms;
	return boot_ms - (age < most ? age : most);
}

/* ---- start and end ---- */

int sessions_new(const char *incarnation, const struct sessions_store *store,
		 const struct channel_sink *sink, struct sessions **out)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->sink = *sink;
	s->store = store;
	s->incarnation = datagram_host_hash(incarnation);
	*out = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	keys_free(s);
	free(s);
}
