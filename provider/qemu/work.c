/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations, step by step. Each step either waits for something that is told (an answer, an event,
 * a look) or goes on; whoever is told calls qemu_turn_soon(), and qemu_work_go() looks again.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "provider/qemu/inside.h"

static const struct qemu_host *host_of(const struct qemu_work *work)
{
	return &work->q->chassis->hosts[work->op.host - 1];
}

static const struct qemu_adapter *adapter_of(const struct qemu_work *work)
{
	return &work->q->chassis->adapters[work->op.function - 1];
}

void qemu_work_end(struct qemu_work *work, enum provider_outcome outcome, enum provider_why why,
		   const char *text, ...)
{
	va_list args;

	va_start(args, text);
	(void)vsnprintf(work->text, sizeof(work->text), text, args); /* cut is fine */
	va_end(args);
	work->outcome = outcome;
	work->why = why;
	work->step = QEMU_STEP_OVER;
	if (work->blade)
		qemu_blade_forget(work->blade, work);
}

static void done(struct qemu_work *work)
{
	qemu_work_end(work, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
}

/* Where something was changed and the manager asked for it, there is no news in it. */
static void told_as(struct qemu_work *work, uint16_t host, uint16_t vport, uint64_t generation)
{
	struct provider_binding *told = &work->q->told[work->op.function - 1];

	told->host = host;
	told->vport = vport;
	told->generation = generation;
	told->unknown = false;
}

/* bind */

/* Why not; false: nothing stands against it. Who asks has read back that it is nowhere (S1); what
 * is known here by now may be more. */
static bool bind_refused(struct qemu_work *work)
{
	const struct provider_binding *now = &work->q->places[work->op.function - 1].binding;
	const struct qemu_blade *blade = work->q->blades[work->op.host - 1];

	if (work->op.vport > host_of(work)->vports)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NO_VPORT,
			      "%s has vports 1 to %u", host_of(work)->bay, host_of(work)->vports);
	else if (now->unknown)
		qemu_work_end(
			work, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
			"where it is cannot be told: a blade that may have it does not answer");
	else if (now->host && !work->is_plug)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "%s has it",
			      work->q->chassis->hosts[now->host - 1].bay);
	else if (qemu_held_is_taken(work->q, work->op.host, work->op.vport, work->op.function))
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_VPORT_TAKEN,
			      "%s: something is held for %s already", host_of(work)->bay,
			      host_of(work)->ports[work->op.vport - 1]);
	else if (blade->state == QEMU_BLADE_OFF && host_of(work)->power_on && !work->is_plug)
		return false; /* it is held */
	else if (blade->state == QEMU_BLADE_OFF)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
			      "%s is off: there is no QEMU", host_of(work)->bay);
	else if (blade->state != QEMU_BLADE_UP)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s is %s: %.80s",
			      host_of(work)->bay, qemu_blade_state_text(blade->state), blade->why);
	else if (qemu_vport_is_taken(&blade->content, host_of(work), work->op.vport))
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_VPORT_TAKEN,
			      "%s: something sits at %s already", host_of(work)->bay,
			      host_of(work)->ports[work->op.vport - 1]);
	else
		return false;
	return true;
}

/* An id that was never used and never will be, and a back end of a name as new. */
static void bind_name(struct qemu_work *work)
{
	const struct qemu_adapter *a = adapter_of(work);
	const struct identity *identity = &work->q->identities[work->op.function - 1];
	const char *port = host_of(work)->ports[work->op.vport - 1];
	struct qemu_part *part = &work->part;
	struct qemu_id id = {
		.generation = work->op.generation,
		.attempt = work->op.attempt,
		.nonce = work->q->nonce,
		.has_identity = identity->mac != 0,
	};
	char text[QMP_NAME_MAX];
	char back[QMP_NAME_MAX];

	memcpy(id.key, a->key, sizeof(id.key));
	qemu_id_format(&id, text);
	/* a node's name has 31 bytes at most */
	(void)snprintf(back, sizeof(back), "fabn%08x-%llx", work->q->nonce,
		       (unsigned long long)++work->q->last_node);
	*part = (struct qemu_part){ .is_known = true };
	(void)snprintf(part->path, sizeof(part->path), "/machine/peripheral/%s", text);
	(void)snprintf(part->bus, sizeof(part->bus), "/machine/peripheral/%s/%s", port, port);
	(void)snprintf(part->type, sizeof(part->type), "%s", a->device->type);
	(void)snprintf(part->serial, sizeof(part->serial), "%s", a->serial);
	if (a->device->back == QEMU_BACK_IMAGE)
		(void)snprintf(part->node, sizeof(part->node), "%s", back);
	if (a->device->back == QEMU_BACK_NET) {
		(void)snprintf(part->netdev, sizeof(part->netdev), "%s", back);
		part->mac = identity->mac ? identity->mac : a->mac;
	}
}

/* QEMU's words for a lock that another process has, block/file-posix.c: raw_check_lock_bytes(). */
static bool is_lock(const char *text)
{
	return strstr(text, "Failed to get") && strstr(text, "lock");
}

static void cleared(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;

	if (answer->kind == QMP_ERROR) /* it is used by nothing, and the next has another name */
		log_info("%s: %s%s stays: %s", work->blade->host->bay, work->part.node,
			 work->part.netdev, answer->text);
	work->step = QEMU_STEP_OVER;
	qemu_turn_soon(work->q);
}

/* Takes the back end away; the outcome stands. */
static void back_clear(struct qemu_work *work, enum qemu_step step)
{
	const struct qmp_argument node[] = { { "node-name", work->part.node, false }, { 0 } };
	const struct qmp_argument netdev[] = { { "id", work->part.netdev, false }, { 0 } };
	uint64_t sent = 0;

	work->step = step;
	if (work->part.node[0])
		sent = qemu_blade_send(work->blade, "blockdev-del", node, QEMU_CHANGES,
				       work->op.function, cleared, work);
	else if (work->part.netdev[0])
		sent = qemu_blade_send(work->blade, "netdev_del", netdev, QEMU_CHANGES,
				       work->op.function, cleared, work);
	if (!sent)
		work->step = QEMU_STEP_OVER;
	qemu_turn_soon(work->q);
}

static void device_added(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;

	if (answer->kind == QMP_RETURN) {
		if (qemu_blade_add(work->blade, &work->part))
			log_err("%s: %s", work->blade->host->bay, strerror(ENOMEM));
		told_as(work, work->op.host, work->op.vport, work->op.generation);
		done(work);
		qemu_turn_soon(work->q);
		return;
	}
	work->outcome = PROVIDER_REFUSED;
	(void)snprintf(work->text, sizeof(work->text), "%s%.100s",
		       is_lock(answer->text)
			       ? "the image is in use by another process (QEMU's lock): "
			       : "",
		       answer->text);
	back_clear(work, QEMU_STEP_UNDO);
}

static void device_add(struct qemu_work *work)
{
	const struct qemu_part *part = &work->part;
	struct qmp_argument arguments[8] = {
		{ "driver", part->type, false },
		{ "id", qemu_part_id(part), false },
		{ "bus", host_of(work)->ports[work->op.vport - 1], false },
	};
	char mac[IDENTITY_TEXT];
	size_t n = 3;

	if (part->serial[0])
		arguments[n++] = (struct qmp_argument){ "serial", part->serial, false };
	if (part->node[0])
		arguments[n++] = (struct qmp_argument){ "drive", part->node, false };
	if (part->netdev[0])
		arguments[n++] = (struct qmp_argument){ "netdev", part->netdev, false };
	identity_mac_format(part->mac, mac);
	if (part->mac)
		arguments[n++] = (struct qmp_argument){ "mac", mac, false };
	work->step = QEMU_STEP_DEVICE;
	if (!qemu_blade_send(work->blade, "device_add", arguments, QEMU_BINDS, work->op.function,
			     device_added, work))
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE,
			      "%s takes no commands any more", work->blade->host->bay);
}

static void back_made(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;

	if (answer->kind == QMP_ERROR)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s", answer->text);
	else
		device_add(work);
	qemu_turn_soon(work->q);
}

static uint64_t back_make(struct qemu_work *work)
{
	const struct qemu_adapter *a = adapter_of(work);
	struct qmp_argument arguments[] = {
		{ "type", a->net ? a->net->type : "", false },
		{ "id", work->part.netdev, false },
		{ 0 },
		{ 0 },
	};

	if (work->part.node[0])
		return qemu_link_send_image(work->blade->link, work->part.node, a->file,
					    work->op.function, back_made, work);
	if (!a->net)
		return 0; /* no such adapter is read from a chassis file */
	if (a->net_option[0])
		arguments[2] = (struct qmp_argument){ a->net_option, a->net_value, false };
	else if (a->net->can_restrict)
		arguments[2] = (struct qmp_argument){ "restrict", NULL, !a->is_open };
	return qemu_blade_send(work->blade, "netdev_add", arguments, QEMU_CHANGES,
			       work->op.function, back_made, work);
}

static void bind_begin(struct qemu_work *work)
{
	if (bind_refused(work))
		return;
	if (work->q->blades[work->op.host - 1]->state == QEMU_BLADE_OFF) {
		qemu_held_put(work);
		told_as(work, work->op.host, work->op.vport, work->op.generation);
		done(work);
		return;
	}
	work->blade = work->q->blades[work->op.host - 1];
	bind_name(work);
	if (adapter_of(work)->device->back == QEMU_BACK_NONE) {
		device_add(work);
		return;
	}
	work->step = QEMU_STEP_BACK;
	if (!back_make(work))
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s takes no commands",
			      work->blade->host->bay);
}

/* unbind */

static void unbound(struct qemu_work *work)
{
	told_as(work, 0, 0, 0);
	work->outcome = PROVIDER_DONE;
	back_clear(work, QEMU_STEP_CLEAR);
}

bool qemu_work_deleted(struct qemu_work *work, const struct qemu_blade *blade,
		       const struct qemu_part *part)
{
	if ((work->step != QEMU_STEP_ASKED && work->step != QEMU_STEP_LETTING) ||
	    work->blade != blade || strcmp(work->part.path, part->path) != 0)
		return false;
	qemu_blade_forget(work->blade, work); /* device_del has no more to say */
	unbound(work);
	return true;
}

/* A removal that was asked for before and goes on: qdev_unplug() and pcie_cap_slot_unplug_request()
 * of QEMU 7.2 have these words. */
static bool is_under_way(const char *text)
{
	return strstr(text, "in the process of unplug") || strstr(text, "power indicator blinking");
}

static void device_asked(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;

	if (answer->kind == QMP_RETURN || is_under_way(answer->text))
		work->step = QEMU_STEP_LETTING;
	else if (!strcmp(answer->name, "DeviceNotFound"))
		unbound(work); /* it has gone by itself */
	else
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s", answer->text);
	qemu_turn_soon(work->q);
}

/* Is it nowhere, or can nothing be done about it? True: the work is over. */
static bool unbind_is_over(struct qemu_work *work)
{
	const struct qemu_place *place = &work->q->places[work->op.function - 1];
	const struct provider_binding *now = &place->binding;
	const struct qemu_blade *blade = now->host ? work->q->blades[now->host - 1] : NULL;

	if (now->unknown || (blade && blade->state != QEMU_BLADE_UP))
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
			      "%s does not answer: nothing can be taken from it",
			      blade ? blade->host->bay : "a blade that may have it");
	else if (!blade)
		done(work);
	else if (work->op.mode == PROVIDER_SURPRISE && blade->host->can_kill)
		qemu_work_end(
			work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			"QEMU cannot take an adapter from a guest by surprise; power the host off");
	else if (!now->present)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "it is dead, and QEMU keeps what has died until %s is powered off",
			      blade->host->bay);
	else if (!place->path[0] || strncmp(place->path, "/machine/peripheral/", 20) != 0)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "%s has it without an id, as from its command line: it goes when the "
			      "blade is "
			      "powered off",
			      blade->host->bay);
	else
		return false;
	return true;
}

static void unbind_begin(struct qemu_work *work)
{
	const struct qemu_place *place = &work->q->places[work->op.function - 1];
	const struct qemu_part *part;
	struct qmp_argument arguments[] = { { "id", NULL, false }, { 0 } };

	if (qemu_held_drop(work)) {
		told_as(work, 0, 0, 0);
		done(work);
		return;
	}
	if (unbind_is_over(work))
		return;
	work->blade = work->q->blades[place->binding.host - 1];
	part = qemu_content_find(&work->blade->content, place->path);
	if (!part) {
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE, "it was gone in between");
		return;
	}
	work->part = *part;
	work->step = QEMU_STEP_ASKED;
	arguments[0].text = qemu_part_id(&work->part);
	if (!qemu_blade_send(work->blade, "device_del", arguments, QEMU_CHANGES, work->op.function,
			     device_asked, work))
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s takes no commands",
			      work->blade->host->bay);
}

/* An event may have come with a connection that is no more: a look shows it as well. */
static void unbind_wait(struct qemu_work *work)
{
	if (work->blade->state == QEMU_BLADE_OFF) {
		told_as(work, 0, 0, 0);
		done(work); /* with the process, what was in it */
	} else if (work->blade->state == QEMU_BLADE_UP && work->blade->look_seen > work->clock &&
		   !qemu_content_find(&work->blade->content, work->part.path)) {
		unbound(work);
	}
}

/* the others */

/* S17: no two carry the same, bound or not. */
static void identity_set(struct qemu_work *work)
{
	const struct qemu *q = work->q;
	const struct identity *wanted = &work->op.identity;
	const struct provider_binding *now = &q->places[work->op.function - 1].binding;

	if (wanted->wwpn || wanted->wwnn || wanted->vlan ||
	    (wanted->mac && adapter_of(work)->device->back != QEMU_BACK_NET)) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY, "%s carries %s",
			      adapter_of(work)->label,
			      adapter_of(work)->device->back == QEMU_BACK_NET ? "a MAC alone"
									      : "none");
		return;
	}
	for (uint32_t i = 0; wanted->mac && i < q->chassis->adapter_count; i++)
		if (i + 1 != work->op.function && identity_is_clash(wanted, &q->identities[i])) {
			qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY, "%s has it",
				      q->chassis->adapters[i].label);
			return;
		}
	if (identity_is_equal(wanted, &q->identities[work->op.function - 1])) {
		done(work);
	} else if (now->host || now->unknown) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY,
			      "it is bound: QEMU takes a MAC with the bind alone");
	} else {
		q->identities[work->op.function - 1] = *wanted;
		done(work);
	}
}

/* What is bound is a new device each time: there is nothing to reset in between. */
static void reset(struct qemu_work *work)
{
	const struct provider_binding *now = &work->q->places[work->op.function - 1].binding;

	if (now->host || now->unknown)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "it is bound: QEMU resets it by unbinding it");
	else
		done(work);
}

static void power_begin(struct qemu_work *work)
{
	struct qemu_blade *blade = work->q->blades[work->op.host - 1];
	char why[QMP_TEXT_MAX];
	int r;

	if (work->op.value) {
		qemu_start_begin(work);
		return;
	}
	if (blade->state == QEMU_BLADE_OFF) {
		if (!work->q->starts[work->op.host - 1].is_running)
			done(work);
		return; /* else when the program that starts it is gone */
	}
	if (!blade->host->can_kill) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "the chassis file does not let %s be powered off", blade->host->bay);
		return;
	}
	if (blade->state == QEMU_BLADE_STARTING && blade->pidfd < 0)
		return; /* which process it is will be known soon */
	r = qemu_blade_kill(blade, why);
	if (r > 0) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s: %.120s",
			      blade->host->bay, why);
	} else if (r < 0) {
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s: %s", blade->host->bay,
			      strerror(-r));
	} else {
		log_notice("%s: process %d is powered off", blade->host->bay, (int)blade->pid);
		work->blade = blade;
		work->step = QEMU_STEP_ENDING;
	}
}

/* May what @other was told to do still be carried out, as far as @work asks? */
static bool is_open(const struct qemu_work *work, const struct qemu_work *other)
{
	if (other->kind != QEMU_WORK_OP || other->step == QEMU_STEP_OVER || other == work)
		return false;
	if (work->op.function && other->op.function && work->op.function != other->op.function)
		return false;
	if (work->op.host && other->op.host && work->op.host != other->op.host)
		return false;
	switch (other->op.verb) {
	case PROVIDER_BIND:
	case PROVIDER_IDENTITY:
	case PROVIDER_HOST_POWER:
		return true;
	case PROVIDER_UNBIND:
		/* Its id is not used again: whenever the guest lets go, it is of that binding
		 * alone. */
		return other->step != QEMU_STEP_LETTING;
	default:
		return false;
	}
}

/* S19: neither what was taken on nor what QEMU has not answered can still be carried out. */
static void settle(struct qemu_work *work)
{
	const struct qemu *q = work->q;
	const struct qemu_work *other;

	TAILQ_FOREACH (other, &q->works, at)
		if (other != work && is_open(work, other))
			return;
	for (size_t i = 0; i < q->chassis->host_count; i++)
		if ((!work->op.host || work->op.host == i + 1) &&
		    (q->starts[i].is_running ||
		     !qemu_blade_is_settled(q->blades[i], work->op.function)))
			return;
	done(work);
}

static void read_answer(struct qemu_work *work)
{
	static struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion c = { .attempt = work->op.attempt, .bindings = bindings };

	for (uint32_t i = 0; i < work->op.value; i++) {
		bindings[i] = qemu_binding(work->q, work->op.function + i);
		work->q->told[work->op.function + i - 1] = bindings[i];
	}
	c.binding_count = work->op.value;
	work->q->sink.completed(work->q->sink.arg, &c);
	work->step = QEMU_STEP_OVER;
	work->op.attempt = 0; /* it is told */
}

static void read_host_answer(struct qemu_work *work)
{
	static struct provider_binding bindings[QEMU_ADAPTERS_MAX];
	const struct qemu_blade *blade = work->q->blades[work->op.host - 1];
	struct provider_completion c = { .attempt = work->op.attempt, .bindings = bindings };

	c.host = qemu_host_state(work->q, work->op.host);
	if (blade->state != QEMU_BLADE_UP && blade->state != QEMU_BLADE_OFF) {
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s is %s: %.100s",
			      blade->host->bay, qemu_blade_state_text(blade->state), blade->why);
		return;
	}
	for (uint32_t i = 1; i <= work->q->chassis->adapter_count; i++)
		if (work->q->places[i - 1].binding.host == work->op.host)
			bindings[c.binding_count++] = qemu_binding(work->q, i);
	qsort(bindings, c.binding_count, sizeof(bindings[0]), provider_vport_compare);
	work->q->sink.completed(work->q->sink.arg, &c);
	work->step = QEMU_STEP_OVER;
	work->op.attempt = 0;
}

/* Is there anything of that name at all? */
static bool names_check(struct qemu_work *work)
{
	const struct qemu_chassis *c = work->q->chassis;
	uint64_t last = work->op.function;

	if (work->op.verb == PROVIDER_READ)
		last += work->op.value - 1;
	if (last > c->adapter_count)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "%s", "");
	else if (work->op.host > c->host_count)
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_NO_HOST, "%s", "");
	else
		return true;
	return false;
}

/* Those before it that touch the same function, or the same place. */
static bool is_turn(const struct qemu_work *work)
{
	const struct qemu_work *before;

	for (before = TAILQ_PREV(work, qemu_works, at); before;
	     before = TAILQ_PREV(before, qemu_works, at)) {
		if (before->kind != QEMU_WORK_OP || before->step == QEMU_STEP_OVER)
			continue;
		if (before->op.verb == PROVIDER_READ || before->op.verb == PROVIDER_READ_HOST ||
		    before->op.verb == PROVIDER_SETTLE || before->op.verb == PROVIDER_HOST_POWER)
			continue;
		if (work->op.function && before->op.function == work->op.function)
			return false;
		if (work->op.verb == PROVIDER_BIND && before->op.verb == PROVIDER_BIND &&
		    before->op.host == work->op.host && before->op.vport == work->op.vport)
			return false;
	}
	return true;
}

/* How each verb begins. */
static const struct verb {
	void (*begin)(struct qemu_work *work); /* NULL: not supported */
	bool waits_turn;
	bool waits_known; /* until no blade is between two states any more */
} verbs[PROVIDER_VERBS] = {
	[PROVIDER_BIND] = { bind_begin, true, true },
	[PROVIDER_UNBIND] = { unbind_begin, true, true },
	[PROVIDER_IDENTITY] = { identity_set, true, true },
	[PROVIDER_RESET] = { reset, true, true },
	[PROVIDER_HOST_POWER] = { power_begin, false, false },
	[PROVIDER_READ] = { read_answer, false, true },
	[PROVIDER_READ_HOST] = { read_host_answer, false, true },
	[PROVIDER_SETTLE] = { settle, false, false },
};

/* Looks that began before it came do not count for what reads. */
static bool is_seen(const struct qemu_work *work)
{
	const struct qemu *q = work->q;

	if (work->kind == QEMU_WORK_OP && work->op.verb == PROVIDER_READ_HOST)
		return qemu_blade_is_seen(q->blades[work->op.host - 1], work->clock);
	if (work->kind == QEMU_WORK_OP && work->op.verb != PROVIDER_READ)
		return qemu_all_seen(q, 0);
	return qemu_all_seen(q, work->clock);
}

static void op_go(struct qemu_work *work)
{
	const struct verb *verb = &verbs[work->op.verb];

	if (!verb->begin) {
		qemu_work_end(work, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			      "there is no such thing in QEMU's blades");
		return;
	}
	if (!names_check(work) || (verb->waits_turn && !is_turn(work)) ||
	    (verb->waits_known && !is_seen(work)))
		return;
	if (verb->waits_known)
		qemu_judge(work->q);
	verb->begin(work);
}

/* What a work waits for may not come any more, for its blade is off. */
static void gone_check(struct qemu_work *work)
{
	if (!work->blade || work->blade->state != QEMU_BLADE_OFF)
		return;
	if (work->step == QEMU_STEP_ENDING)
		done(work);
	else if (work->step == QEMU_STEP_BACK || work->step == QEMU_STEP_DEVICE)
		qemu_work_end(work, PROVIDER_FAILED, PROVIDER_WHY_NONE,
			      "%s went off, and with it what was being bound",
			      work->blade->host->bay);
	else if (work->step == QEMU_STEP_UNDO || work->step == QEMU_STEP_CLEAR)
		work->step = QEMU_STEP_OVER;
}

void qemu_work_go(struct qemu_work *work)
{
	switch (work->step) {
	case QEMU_STEP_TURN:
		if (work->kind == QEMU_WORK_OP)
			op_go(work);
		else if (work->kind == QEMU_WORK_VIEW)
			qemu_view_go(work);
		else if (is_seen(work))
			work->step = QEMU_STEP_OVER; /* the scan is told when it ends */
		break;
	case QEMU_STEP_ASKED:
	case QEMU_STEP_LETTING:
		unbind_wait(work);
		break;
	case QEMU_STEP_BACK:
	case QEMU_STEP_DEVICE:
	case QEMU_STEP_UNDO:
	case QEMU_STEP_CLEAR:
	case QEMU_STEP_ENDING:
		gone_check(work);
		break;
	case QEMU_STEP_STARTING:
		qemu_start_go(work);
		break;
	case QEMU_STEP_VIEW:
		qemu_view_go(work);
		break;
	case QEMU_STEP_OVER:
		break;
	}
}

void qemu_work_expire(struct qemu_work *work)
{
	static const char *const texts[] = {
		[QEMU_STEP_TURN] =
			"it did not get its turn, or what it needs was not known, in time",
		[QEMU_STEP_BACK] = "QEMU did not answer in time",
		[QEMU_STEP_DEVICE] = "QEMU did not answer in time",
		[QEMU_STEP_UNDO] = "QEMU did not answer in time",
		[QEMU_STEP_ASKED] = "QEMU did not answer in time",
		[QEMU_STEP_LETTING] = "the guest has not let go of it",
		[QEMU_STEP_CLEAR] = "QEMU did not answer in time",
		[QEMU_STEP_ENDING] = "the process has not ended yet",
		[QEMU_STEP_STARTING] = "no QEMU serves its socket yet",
		[QEMU_STEP_VIEW] = "QEMU did not answer in time",
	};

	if (work->step == QEMU_STEP_UNDO || work->step == QEMU_STEP_CLEAR) {
		/* what counts is known; what is left over is swept away one day */
		work->blade->is_swept = false;
		qemu_blade_forget(work->blade, work);
		work->step = QEMU_STEP_OVER;
		return;
	}
	if (work->step == QEMU_STEP_BACK || work->step == QEMU_STEP_DEVICE)
		work->blade->is_swept = false;
	qemu_work_end(work, PROVIDER_UNKNOWN, PROVIDER_WHY_NONE, "%s", texts[work->step]);
}
