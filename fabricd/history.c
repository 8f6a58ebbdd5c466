/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The open batch, what follows a commit, events, audit rows, attempts. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

__attribute__((format(printf, 3, 0))) static void
freeze_with(struct fabric *f, enum freeze_cause cause, const char *format, va_list args)
{
	if (f->frozen)
		return;
	(void)vsnprintf(f->frozen_why, sizeof(f->frozen_why), format, args); /* cut when longer */
	f->frozen = true;
	f->frozen_by = cause;
	f->frozen_ms = f->io.now_ms(f->io.arg);
	log_err("fabric: frozen, nothing is changed any more: %s", f->frozen_why);
}

void freeze(struct fabric *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	freeze_with(f, FREEZE_OWN, format, args);
	va_end(args);
}

void freeze_by(struct fabric *f, enum freeze_cause cause, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	freeze_with(f, cause, format, args);
	va_end(args);
}

void fabric_trouble(struct fabric *f, const char *text)
{
	(void)snprintf(f->trouble, sizeof(f->trouble), "%s", text);
}

const char *fabric_frozen(const struct fabric *f, uint64_t *since_ms)
{
	*since_ms = f->frozen_ms;
	return f->frozen ? f->frozen_why : NULL;
}

/* Makes room for one more of @size bytes in an array; false: no memory, and frozen. */
static bool grow(struct fabric *f, void **at, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 8;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*at, more * size);
	if (!grown) {
		freeze(f, "out of memory");
		return false;
	}
	*at = grown;
	*room = more;
	return true;
}

struct db_batch *batch_open(struct fabric *f)
{
	if (f->batch)
		return f->batch;
	f->open = calloc(1, sizeof(*f->open));
	if (!f->open || db_batch_new(&f->batch)) {
		/* Without a record nothing may be done: there is no way on from here. */
		log_err("fabric: out of memory");
		abort();
	}
	return f->batch;
}

static void after_add(struct fabric *f, const struct after *after)
{
	struct pending *open;

	(void)batch_open(f);
	open = f->open;
	if (grow(f, (void **)&open->afters, open->after_count, &open->after_room,
		 sizeof(*open->afters)))
		open->afters[open->after_count++] = *after;
}

void batch_after(struct fabric *f, enum after_kind kind, uint64_t id)
{
	after_add(f, &(struct after){ .kind = kind, .id = id });
}

void batch_answer(struct fabric *f, fabric_answer_fn *fn, void *arg, uint64_t id)
{
	if (fn)
		after_add(f, &(struct after){ AFTER_ANSWER, id, fn, arg, 0 });
}

void answer_soon(struct fabric *f, fabric_answer_fn *fn, void *arg, int r, uint64_t id)
{
	if (!fn)
		return;
	if (!grow(f, (void **)&f->soon, f->soon_count, &f->soon_room, sizeof(*f->soon)))
		return;
	f->soon[f->soon_count++] = (struct after){ AFTER_ANSWER, id, fn, arg, r };
}

void answers_give(struct fabric *f)
{
	struct after *given = f->soon;
	size_t count = f->soon_count;

	f->soon = NULL;
	f->soon_count = 0;
	f->soon_room = 0;
	for (size_t i = 0; i < count; i++)
		given[i].fn(given[i].arg, given[i].r, given[i].id);
	free(given);
}

/* @cookie: of the batch that has been written. */
static void follow(struct fabric *f, const struct after *after, uint64_t cookie)
{
	switch (after->kind) {
	case AFTER_ANSWER:
		after->fn(after->arg, 0, after->id);
		break;
	case AFTER_INTENT:
		change_intent_durable(f, after->id);
		break;
	case AFTER_EFFECT:
		change_effect_durable(f, after->id);
		break;
	case AFTER_ITEMS:
		change_items_durable(f, after->id, cookie);
		break;
	case AFTER_FENCE:
		fence_stored(f, after->id);
		break;
	case AFTER_ATTEMPTS:
		f->attempt_reserved = after->id;
		f->attempts_asked = false;
		break;
	case AFTER_INCIDENT:
		incident_durable(f, after->id);
		break;
	case AFTER_STEP:
		incident_step_durable(f, after->id);
		break;
	}
}

/* One transaction for all that came together in one call. */
void batch_submit(struct fabric *f)
{
	struct pending *open = f->open;

	if (!f->batch)
		return;
	open->cookie = f->next_cookie++;
	*f->last = open;
	f->last = &open->next;
	f->open = NULL;
	if (f->io.point)
		f->io.point(f->io.arg, "journal-before");
	f->io.submit_take(f->io.arg, TAKE(f->batch), open->cookie);
	for (size_t i = 0; DEFECT(IN_TRANSACTION) && i < open->after_count; i++)
		if (open->afters[i].kind == AFTER_INTENT || open->afters[i].kind == AFTER_EFFECT)
			follow(f, &open->afters[i], open->cookie);
}

static void pending_free(struct pending *p)
{
	free(p->afters);
	free(p->events);
	free(p);
}

void fabric_written(struct fabric *f, uint64_t cookie, int r, const char *why)
{
	struct pending *p = f->first;

	if (DEFECT(SYNC_IGNORED))
		r = 0;
	f->now_ms = f->io.now_ms(f->io.arg);
	if (!p || p->cookie != cookie) {
		freeze(f, "the database answered out of order");
		return;
	}
	f->first = p->next;
	if (!f->first)
		f->last = &f->first;
	/* UNKNOWN, and worse: nothing that waited for this is acknowledged or acted on (S15). */
	if (r)
		freeze_by(f, FREEZE_DISK,
			  "the database cannot be written: %.300s (what was acknowledged is kept, "
			  "the data path stays as it is)",
			  why && *why ? why : strerror(-r));
	if (!r && f->io.point)
		f->io.point(f->io.arg, "journal-after");
	for (size_t i = 0; i < p->event_count && !r; i++)
		history_publish(f, &p->events[i]);
	for (size_t i = 0; i < p->after_count && !r; i++)
		follow(f, &p->afters[i], cookie);
	for (size_t i = 0; i < p->after_count && r; i++)
		if (p->afters[i].kind == AFTER_ANSWER)
			p->afters[i].fn(p->afters[i].arg, REFUSE_FROZEN, 0);
	pending_free(p);
	wake(f);
}

void history_publish(struct fabric *f, const struct db_event *event)
{
	if (!f->events)
		f->events = calloc(FABRIC_EVENTS_KEPT, sizeof(*f->events));
	if (f->events)
		f->events[f->event_count++ % FABRIC_EVENTS_KEPT] = *event;
	if (f->io.published && f->started)
		f->io.published(f->io.arg, event);
}

void history_event(struct fabric *f, const char *type, const char *subject, const char *format, ...)
{
	struct db_event event = { .n = f->next_event, .wall_ms = f->io.wall_ms(f->io.arg) };
	struct pending *open;
	va_list args;

	(void)snprintf(event.type, sizeof(event.type), "%s", type);
	(void)snprintf(event.subject, sizeof(event.subject), "%s", subject);
	va_start(args, format);
	(void)vsnprintf(event.detail, sizeof(event.detail), format, args); /* cut when longer */
	va_end(args);

	log_debug("event %" PRIu64 ": %s %s: %s", event.n, type, subject, event.detail);
	db_put_event(batch_open(f), &event);
	open = f->open;
	if (!grow(f, (void **)&open->events, open->event_count, &open->event_room,
		  sizeof(*open->events)))
		return;
	open->events[open->event_count++] = event;
	f->next_event++;
}

void history_audit(struct fabric *f, uint32_t uid, const char *action, const char *subject,
		   uint64_t change, const char *format, ...)
{
	struct db_audit row = { .wall_ms = f->io.wall_ms(f->io.arg), .uid = uid, .change = change };
	va_list args;

	(void)snprintf(row.action, sizeof(row.action), "%s", action);
	(void)snprintf(row.subject, sizeof(row.subject), "%s", subject);
	va_start(args, format);
	(void)vsnprintf(row.detail, sizeof(row.detail), format, args); /* cut when longer */
	va_end(args);
	db_put_audit(batch_open(f), &row);
}

enum {
	EXPIRE_FIRST_MS = 600000,
	EXPIRE_EVERY_MS = 3600000,
	EXPIRE_KEEP = FABRIC_EVENTS_KEPT, /* what memory may show stays in the database */
	DAY_MS = 86400000,
};
_Static_assert((int)EXPIRE_KEEP >= (int)FABRIC_ENDED_KEPT, "ended changes in memory are stored");

void history_expire(struct fabric *f)
{
	struct db_expiry what = { .events = f->config.history_events,
				  .changes = f->config.history_changes,
				  .keep = EXPIRE_KEEP,
				  .audit = f->config.history_audit };
	uint64_t age = (uint64_t)f->config.history_days * DAY_MS;
	uint64_t wall = f->io.wall_ms(f->io.arg);

	if (!f->history_expire_ms)
		f->history_expire_ms = f->now_ms + EXPIRE_FIRST_MS;
	if (f->frozen || f->now_ms < f->history_expire_ms)
		return;
	f->history_expire_ms = f->now_ms + EXPIRE_EVERY_MS;
	what.before_wall_ms = wall > age ? wall - age : 0;
	db_expire_history(batch_open(f), &what);
}

void history_free(struct fabric *f)
{
	while (f->first) {
		struct pending *next = f->first->next;

		pending_free(f->first);
		f->first = next;
	}
	if (f->open)
		pending_free(f->open);
	db_batch_free(f->batch);
	free(f->events);
	free(f->soon);
	free(f->keys);
}

/* An attempt is stored before it is used: a whole row of them at a time, by its highest. */
void attempts_reserve(struct fabric *f)
{
	uint64_t from = f->attempt_reserved > f->attempt ? f->attempt_reserved : f->attempt;
	struct db_number row = { .name = "attempt", .value = from + FABRIC_ATTEMPTS };

	if (f->attempts_asked)
		return;
	f->attempts_asked = true;
	db_put_number(batch_open(f), &row);
	batch_after(f, AFTER_ATTEMPTS, row.value);
}

uint64_t attempt_next(struct fabric *f)
{
	if (f->attempt_reserved && f->attempt_reserved - f->attempt < FABRIC_ATTEMPTS / 4)
		attempts_reserve(f);
	if (f->attempt >= f->attempt_reserved)
		return 0;
	return ++f->attempt;
}

bool fabric_events_after(const struct fabric *f, uint64_t n,
			 void (*fn)(void *arg, const struct db_event *event), void *arg,
			 uint64_t *first)
{
	size_t kept = f->event_count < FABRIC_EVENTS_KEPT ? f->event_count : FABRIC_EVENTS_KEPT;
	uint64_t oldest =
		kept ? f->events[(f->event_count - kept) % FABRIC_EVENTS_KEPT].n : f->next_event;

	*first = oldest;
	for (size_t i = f->event_count - kept; fn && i < f->event_count; i++)
		if (f->events[i % FABRIC_EVENTS_KEPT].n > n)
			fn(arg, &f->events[i % FABRIC_EVENTS_KEPT]);
	return n + 1 >= oldest;
}

uint64_t fabric_event_last(const struct fabric *f)
{
	if (!f->event_count)
		return 0;
	return f->events[(f->event_count - 1) % FABRIC_EVENTS_KEPT].n;
}

void fabric_thawed(struct fabric *f, const char *why, uint64_t for_ms)
{
	history_audit(f, 0, "thaw", "fabric", 0, "after %llu ms: %.400s",
		      (unsigned long long)for_ms, why);
	history_event(f, "fabric.thawed", "fabric", "frozen for %llu ms: %.400s",
		      (unsigned long long)for_ms, why);
	wake(f);
}

/* ---- backups ---- */

int fabric_backup(struct fabric *f, const char *file, uint32_t uid, fabric_answer_fn *fn, void *arg)
{
	int r;

	if (f->frozen)
		return REFUSE_FROZEN;
	if (f->backup.fn)
		return REFUSE_LIMIT;
	(void)snprintf(f->backup.why, sizeof(f->backup.why), "%s",
		       "this manager's database cannot be copied");
	if (!f->io.backup || strlen(file) >= sizeof(f->backup.file))
		return REFUSE_BACKUP;
	r = f->io.backup(f->io.arg, file);
	if (r == -EBUSY)
		return REFUSE_LIMIT;
	if (r)
		return r == -ENOMEM ? r : REFUSE_BACKUP;
	f->backup.fn = fn;
	f->backup.arg = arg;
	f->backup.uid = uid;
	(void)snprintf(f->backup.file, sizeof(f->backup.file), "%s", file);
	return 0;
}

const char *fabric_backup_why(const struct fabric *f)
{
	return f->backup.why;
}

void fabric_backed_up(struct fabric *f, int r, const char *why)
{
	fabric_answer_fn *fn = f->backup.fn;

	f->now_ms = f->io.now_ms(f->io.arg);
	f->backup.fn = NULL;
	(void)snprintf(f->backup.why, sizeof(f->backup.why), "%s", why);
	if (r) {
		log_warning("database: backup: %s", why);
	} else {
		log_notice("database: copied to %s", f->backup.file);
		history_audit(f, f->backup.uid, "db.backup", "database", 0, "to %.400s",
			      f->backup.file);
		history_event(f, "db.backup", "database", "to %.400s", f->backup.file);
		wake(f);
	}
	if (fn)
		fn(f->backup.arg, r ? REFUSE_BACKUP : 0, 0);
}
