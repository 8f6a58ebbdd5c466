/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blades that are off and can be turned on.
 *
 * A real switch keeps what is bound to a host without power; a QEMU that is not there keeps
 * nothing. So what is bound to such a blade is held here, and plugged in as soon as the blade
 * answers, however it was started. Until then it is told as bound, and is in no QEMU: let go, or
 * forgotten with this process, it is nowhere.
 *
 * The program that turns a blade on may hang: it is killed at the deadline of its operation. As
 * long as it runs nothing of its host has settled.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/qemu/inside.h"

enum { PLUG_TIMEOUTS = 5 };

/* held */

static struct qemu_held *held_of(const struct qemu_work *work)
{
	return &work->q->held[work->op.function - 1];
}

bool qemu_held_is_taken(const struct qemu *q, uint16_t host, uint16_t vport, uint32_t except)
{
	for (uint32_t i = 1; i <= q->chassis->adapter_count; i++)
		if (i != except && q->held[i - 1].host == host && q->held[i - 1].vport == vport)
			return true;
	return false;
}

void qemu_held_put(struct qemu_work *work)
{
	*held_of(work) = (struct qemu_held){ .host = work->op.host,
					     .vport = work->op.vport,
					     .generation = work->op.generation,
					     .attempt = work->op.attempt };
}

bool qemu_held_drop(struct qemu_work *work)
{
	struct qemu_held *held = held_of(work);

	if (!held->host)
		return false;
	*held = (struct qemu_held){ 0 };
	return true;
}

void qemu_held_judge(struct qemu *q)
{
	for (uint32_t i = 1; i <= q->chassis->adapter_count; i++) {
		struct qemu_held *held = &q->held[i - 1];
		struct provider_binding *now = &q->places[i - 1].binding;

		if (!held->host || now->unknown)
			continue;
		if (now->host) { /* it is somewhere: here, by now, or where somebody has put it */
			if (now->host != held->host || now->generation != held->generation)
				log_warning("%s: held for %s, and is elsewhere",
					    q->chassis->adapters[i - 1].label,
					    q->chassis->hosts[held->host - 1].bay);
			*held = (struct qemu_held){ 0 };
			continue;
		}
		now->host = held->host;
		now->vport = held->vport;
		now->generation = held->generation;
		now->identity = q->identities[i - 1];
		now->present = true;
		q->places[i - 1].path[0] = '\0';
	}
}

static bool is_being_plugged(const struct qemu *q, uint32_t function)
{
	const struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->is_plug && work->op.function == function)
			return true;
	return false;
}

void qemu_held_plug(struct qemu *q)
{
	for (uint32_t i = 1; i <= q->chassis->adapter_count; i++) {
		const struct qemu_held *held = &q->held[i - 1];
		struct qemu_work *work;

		if (!held->host || q->blades[held->host - 1]->state != QEMU_BLADE_UP ||
		    is_being_plugged(q, i))
			continue;
		work = qemu_work_new(q);
		if (!work)
			return; /* at the next turn */
		work->is_plug = true;
		work->deadline_ms = clock_boot_ms() + PLUG_TIMEOUTS * q->chassis->timeout_ms;
		work->op = (struct provider_op){ .verb = PROVIDER_BIND,
						 .attempt = held->attempt,
						 .function = i,
						 .host = held->host,
						 .vport = held->vport,
						 .generation = held->generation };
	}
}

void qemu_plug_end(struct qemu_work *work)
{
	if (work->outcome == PROVIDER_DONE)
		log_info("%s: plugged in at %s",
			 work->q->chassis->adapters[work->op.function - 1].label,
			 work->q->chassis->hosts[work->op.host - 1].bay);
	else
		log_err("%s: was bound to %s while that was off, and cannot be plugged in: %s",
			work->q->chassis->adapters[work->op.function - 1].label,
			work->q->chassis->hosts[work->op.host - 1].bay, work->text);
	(void)qemu_held_drop(work);
	qemu_turn_soon(work->q);
}

/* power on: what a program that was killed has set going may still turn the blade on */

static struct qemu_work *starter(struct qemu *q, uint64_t attempt)
{
	struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->step == QEMU_STEP_STARTING && work->op.attempt == attempt)
			return work;
	return NULL;
}

/* The last line that it has printed, at most. */
static void last_line(const struct program_ended *ended, char *out, size_t size)
{
	size_t end = ended->length;
	size_t from;

	while (end && strchr("\r\n \t", ended->output[end - 1]))
		end--;
	for (from = end; from && ended->output[from - 1] != '\n'; from--)
		;
	(void)snprintf(out, size, "%.*s", (int)(end - from), ended->output + from);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
}

static void ended_say(const struct program_ended *ended, char *out, size_t size)
{
	static const char *const ends[] = {
		[PROGRAM_EXITED] = "ended with",
		[PROGRAM_SIGNALLED] = "was killed by signal",
		[PROGRAM_OVERDUE] = "did not end in time, code",
		[PROGRAM_FLOODED] = "printed without end, code",
		[PROGRAM_NOT_RUN] = "cannot be run, errno",
	};
	char line[80];

	last_line(ended, line, sizeof(line));
	(void)snprintf(out, size, "its power_on program %s %d%s%s", ends[ended->end], ended->code,
		       line[0] ? ": " : "", line);
}

static void program_ended(void *arg, const struct program_ended *ended)
{
	struct qemu_start *start = arg;
	struct qemu_work *work = starter(start->q, start->attempt);

	start->is_running = false;
	ended_say(ended, start->said, sizeof(start->said));
	start->has_failed = ended->end != PROGRAM_EXITED || ended->code;
	start->was_killed = ended->end != PROGRAM_EXITED && ended->end != PROGRAM_NOT_RUN;
	if (!work)
		log_notice("%s, after the command was given up", start->said);
	qemu_turn_soon(start->q);
}

void qemu_start_begin(struct qemu_work *work)
{
	struct qemu *q = work->q;
	struct qemu_start *start = &q->starts[work->op.host - 1];
	const struct qemu_host *host = &q->chassis->hosts[work->op.host - 1];
	uint64_t now_ms = clock_boot_ms();
	int r;

	if (!host->power_on) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "the chassis file does not say how %s is powered on", host->bay);
		return;
	}
	if (q->blades[work->op.host - 1]->state != QEMU_BLADE_OFF) {
		qemu_work_end(work, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
		return;
	}
	if (start->is_running)
		return; /* one that was given up is not gone yet */
	r = program_run(q->programs, (const char *const *)host->power_on, "", 0,
			work->deadline_ms > now_ms ? (uint32_t)(work->deadline_ms - now_ms) : 1,
			program_ended, start);
	if (r) {
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s: %s", host->power_on[0],
			      strerror(-r));
		return;
	}
	log_notice("%s: %s is run to power it on", host->bay, host->power_on[0]);
	start->is_running = true;
	start->has_failed = false;
	start->attempt = work->op.attempt;
	work->blade = q->blades[work->op.host - 1];
	work->step = QEMU_STEP_STARTING;
}

void qemu_start_go(struct qemu_work *work)
{
	const struct qemu_start *start = &work->q->starts[work->op.host - 1];

	if (work->blade->state != QEMU_BLADE_OFF)
		qemu_work_end(work, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
	else if (!start->is_running && start->has_failed)
		qemu_work_end(work, start->was_killed ? PROVIDER_UNKNOWN : PROVIDER_FAILED,
			      PROVIDER_WHY_NONE, "%s", start->said);
}
