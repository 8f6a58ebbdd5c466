/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dialog.h"

#include <string.h>

#include "common/defect.h"

int dialog_init(struct dialog *d, const char *host, const char *boot_id,
		const uint8_t key[static DATAGRAM_KEY])
{
	*d = (struct dialog){ .beat = { .type = DATAGRAM_BEAT } };
	d->beat.host = datagram_host_hash(host);
	memcpy(d->key, key, sizeof(d->key));
	return datagram_boot_id_parse(boot_id, d->beat.boot_id);
}

static void say(struct dialog *d, enum datagram_type type, uint64_t nonce,
		const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE])
{
	d->beat.type = type;
	d->beat.nonce = nonce;
	d->beat.seq = now->seq;
	d->beat.epoch = now->epoch;
	d->beat.incarnation = now->incarnation;
	d->sent[d->next++ % DIALOG_ANSWERS_FOR] = now->seq;
	datagram_seal(&d->beat, d->key, out);
}

void dialog_beat(struct dialog *d, const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE])
{
	if (!d->claims) {
		say(d, DATAGRAM_BEAT, 0, now, out);
		return;
	}
	d->claims--;
	d->claimed = now->seq;
	say(d, DATAGRAM_STOPPED, d->claim, now, out);
}

void dialog_leave(struct dialog *d, const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE])
{
	say(d, DATAGRAM_LEAVING, 0, now, out);
}

void dialog_claim(struct dialog *d, uint64_t stopped, uint64_t still)
{
	/* In the place of the next beat; a manager that does not know it does not answer. */
	d->claim = datagram_claim(stopped, still);
	d->claims = DIALOG_CLAIMS;
}

void dialog_respond(struct dialog *d, const struct datagram *challenge,
		    const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE])
{
	say(d, DATAGRAM_RESPONSE, challenge->nonce, now, out);
}

static bool was_sent(const struct dialog *d, uint64_t seq)
{
	for (size_t i = 0; i < DIALOG_ANSWERS_FOR; i++)
		if (d->sent[i] == seq)
			return seq != 0;
	return false;
}

static bool is_answer(const struct dialog *d, const struct datagram *a)
{
	return a->host == d->beat.host &&
	       (a->type == DATAGRAM_STATUS || a->type == DATAGRAM_FENCED ||
		a->type == DATAGRAM_CHALLENGE) &&
	       !memcmp(a->boot_id, d->beat.boot_id, sizeof(a->boot_id)) && was_sent(d, a->seq);
}

enum dialog_news dialog_take(struct dialog *d, const uint8_t *bytes, size_t length,
			     struct datagram *answer)
{
	struct datagram a;

	if (datagram_open(bytes, length, d->key, &a) || !is_answer(d, &a))
		return DIALOG_NOT_BELIEVED;
	*answer = a;
	if (a.type == DATAGRAM_CHALLENGE) {
		/* Each beat is challenged once. */
		if (a.seq <= d->challenged)
			return DIALOG_OLD;
		d->challenged = a.seq;
		return DIALOG_CHALLENGE;
	}
	if (a.seq <= d->answered && !DEFECT(OLD_ANSWER))
		return DIALOG_OLD;
	d->answered = a.seq;
	if (d->claimed && a.seq >= d->claimed)
		d->claims = 0;
	return a.type == DATAGRAM_FENCED ? DIALOG_FENCED : DIALOG_STATUS;
}
