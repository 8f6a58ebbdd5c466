/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST /v1/incidents/N/replay: a night run again, as it was or with other settings. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

/* What became of one host; NULL: nothing of that kind. */
struct end {
	const struct replay_step *suspected;
	const struct replay_step *held; /* first of what kept it from being failed over */
	const struct replay_step *last;
};

struct ends {
	struct end *night;
	struct end *otherwise; /* NULL: nothing was set */
};

static void ends_done(struct ends *ends)
{
	free(ends->night);
	free(ends->otherwise);
}
OWNED_BY_VALUE(struct ends, ends_done)

static void step_count_in(struct end *end, const struct replay_step *step)
{
	switch ((enum replay_what)step->what) {
	case REPLAY_SUSPECTED:
		*end = (struct end){ .suspected = step };
		break;
	case REPLAY_NOT_ACTED:
	case REPLAY_WAITS:
	case REPLAY_RATED:
	case REPLAY_OFF:
	case REPLAY_BREAKER:
		if (!end->held)
			end->held = step;
		break;
	case REPLAY_RECOVERED:
	case REPLAY_FENCED:
	case REPLAY_PROVED:
	case REPLAY_BEGUN:
	case REPLAY_LEFT:
		end->last = step;
		break;
	case REPLAY_STAYED:
	case REPLAY_OPENED:
	case REPLAY_HELD:
	case REPLAY_RESUMED:
	case REPLAY_WHATS:
		break;
	}
}

static struct end *ends_find(const struct replay *replay, const struct replay_outcome *outcome)
{
	struct end *ends = calloc(replay->host_count, sizeof(*ends));

	for (size_t i = 0; ends && i < outcome->count; i++)
		if (outcome->steps[i].host != REPLAY_CHASSIS)
			step_count_in(&ends[outcome->steps[i].host], &outcome->steps[i]);
	return ends;
}

/* The step that says what became of it; NULL: nothing happened to it. */
static const struct replay_step *end_step(const struct end *end)
{
	return end->last ? end->last : end->held ? end->held : end->suspected;
}

static int64_t offset_ms(const struct replay *replay, uint64_t at_ms)
{
	return (int64_t)(at_ms - replay->zero_ms);
}

/* ---- the document ---- */

static void step_put(struct buf *out, const struct replay *replay, const struct replay_step *step)
{
	json_open(out, '{');
	json_member_signed(out, "offset_ms", offset_ms(replay, step->at_ms));
	json_member_text(out, "host",
			 step->host == REPLAY_CHASSIS ? NULL : replay->hosts[step->host].name);
	json_member_text(out, "what", replay_what_word((enum replay_what)step->what));
	json_member_bool(out, "assumed", step->assumed);
	json_close(out, '}');
}

static void steps_put(struct buf *out, const char *key, const struct replay *replay,
		      const struct replay_outcome *outcome)
{
	json_key(out, key);
	json_open(out, '[');
	for (size_t i = 0; i < outcome->count; i++)
		step_put(out, replay, &outcome->steps[i]);
	json_close(out, ']');
}

static void moment_put(struct buf *out, const char *key, const struct replay *replay,
		       const struct replay_step *step)
{
	json_key(out, key);
	if (step)
		step_put(out, replay, step);
	else
		json_null(out);
}

static void end_put(struct buf *out, const char *key, const struct replay *replay,
		    const struct end *end)
{
	json_key(out, key);
	json_open(out, '{');
	moment_put(out, "suspected", replay, end->suspected);
	moment_put(out, "held", replay, end->held);
	moment_put(out, "end", replay, end->last);
	json_close(out, '}');
}

static void moment_say(struct buf *out, const struct replay *replay, const struct end *end)
{
	const struct replay_step *step = end_step(end);
	double at_s = step ? (double)offset_ms(replay, step->at_ms) / 1000 : 0;

	if (!step) {
		buf_text(out, "never suspected");
		return;
	}
	buf_printf(out, "%s %s %+.3f s", replay_what_text((enum replay_what)step->what),
		   end->last || !end->held ? "at" : "from", at_s);
	if (step->assumed)
		buf_printf(out, " if it stayed silent (the record ends at %+.3f s)",
			   (double)offset_ms(replay, replay->end_ms) / 1000);
}

static bool is_as_before(const struct end *a, const struct end *b)
{
	const struct replay_step *was = end_step(a);
	const struct replay_step *is = end_step(b);

	return was == is || (was && is && was->what == is->what && was->at_ms == is->at_ms);
}

/* "bay3: judged dead at +5.004 s; otherwise never suspected" */
static void host_say(struct buf *out, const struct replay *replay, size_t n,
		     const struct ends *ends)
{
	buf_printf(out, "%s: ", replay->hosts[n].name);
	moment_say(out, replay, &ends->night[n]);
	if (!ends->otherwise)
		return;
	if (is_as_before(&ends->night[n], &ends->otherwise[n])) {
		buf_text(out, ", and otherwise too");
		return;
	}
	buf_text(out, "; otherwise ");
	moment_say(out, replay, &ends->otherwise[n]);
}

static void host_put(struct buf *out, const struct replay *replay, size_t n,
		     const struct ends *ends)
{
	OWNED(buf_done) struct buf text = { 0 };

	host_say(&text, replay, n, ends);
	out->failed |= text.failed;
	json_open(out, '{');
	json_member_text(out, "host", replay->hosts[n].name);
	json_member_text(out, "detail", text.failed ? NULL : (const char *)text.data);
	end_put(out, "night", replay, &ends->night[n]);
	if (ends->otherwise)
		end_put(out, "otherwise", replay, &ends->otherwise[n]);
	json_close(out, '}');
}

/* Those to whom anything happened, in either run. */
static void hosts_put(struct buf *out, const struct replay *replay, const struct ends *ends)
{
	json_key(out, "hosts");
	json_open(out, '[');
	for (size_t i = 0; i < replay->host_count; i++)
		if (i == replay->incident || end_step(&ends->night[i]) ||
		    (ends->otherwise && end_step(&ends->otherwise[i])))
			host_put(out, replay, i, ends);
	json_close(out, ']');
}

static void settings_put(struct buf *out, const struct replay *replay)
{
	char name[FABRIC_NAME_MAX];
	char value[FABRIC_NAME_MAX];

	json_key(out, "settings");
	json_open(out, '{');
	for (size_t i = 0; fabric_replay_setting(i, &replay->settings, name, value); i++)
		json_member_text(out, name, value);
	json_close(out, '}');
}

static void set_put(struct buf *out, const struct body_replay *body)
{
	json_key(out, "set");
	json_open(out, '{');
	for (size_t i = 0; i < body->count; i++)
		json_member_text(out, body->sets[i].key, body->sets[i].value);
	json_close(out, '}');
}

static void head_put(struct buf *out, uint64_t id, const struct fabric_replay *r)
{
	const struct replay *replay = r->replay;

	json_member_number(out, "incident", id);
	json_member_text(out, "host", replay->hosts[replay->incident].name);
	json_member_bool(out, "same", r->night.is_same);
	json_member_text(out, "difference", r->night.is_same ? NULL : r->night.difference);
	json_member_signed(out, "begin_ms", offset_ms(replay, replay->begin_ms));
	json_member_signed(out, "end_ms", offset_ms(replay, replay->end_ms));
	json_member_number(out, "beats", replay->beats);
	json_member_number(out, "looks", replay->looks);
}

static int replay_put(struct api_call *call, uint64_t id, const struct body_replay *body,
		      const struct fabric_replay *r)
{
	OWNED(ends_done) struct ends ends = { 0 };
	struct buf *out = call_body(call->api);

	ends.night = ends_find(r->replay, &r->night);
	if (r->change.which)
		ends.otherwise = ends_find(r->replay, &r->otherwise);
	if (!ends.night || (r->change.which && !ends.otherwise))
		return -ENOMEM;
	json_open(out, '{');
	head_put(out, id, r);
	settings_put(out, r->replay);
	set_put(out, body);
	hosts_put(out, r->replay, &ends);
	steps_put(out, "night", r->replay, &r->night);
	if (ends.otherwise)
		steps_put(out, "otherwise", r->replay, &r->otherwise);
	json_close(out, '}');
	buf_text(out, "\n");
	return 0;
}

/* ---- the call ---- */

static void refuse(struct api_call *call, int r, const struct fabric_problem *why,
		   const struct body_replay *body)
{
	struct problem p;

	problem_from_fabric(&p, r, why, false);
	if (r == REFUSE_FIELD && why->op < body->count) {
		(void)snprintf(p.path, sizeof(p.path), "/set/%s", body->sets[why->op].key);
		(void)snprintf(p.reason, sizeof(p.reason), "%s", why->reason);
	}
	call_refuse_with(call, &p);
}

static void incident_replay(struct api_call *call)
{
	OWNED(fabric_replay_done) struct fabric_replay replay = { 0 };
	struct fabric_replay_set sets[BODY_SETS_MAX];
	struct fabric_problem why = { .op = SIZE_MAX };
	uint64_t id = resource_number_parse(call->id);
	struct body_replay body = { 0 };
	struct problem p;
	int r = body_replay_parse(call->request->body, call->request->body_length, &body, &p);

	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!id) {
		call_refuse(call, REFUSE_NO_INCIDENT);
		return;
	}
	for (size_t i = 0; !r && i < body.count; i++)
		sets[i] = (struct fabric_replay_set){ body.sets[i].key, body.sets[i].value };
	if (!r)
		r = fabric_incident_replay(call->fabric, id, sets, body.count, &why, &replay);
	if (!r)
		r = replay_put(call, id, &body, &replay);
	if (r)
		refuse(call, r, &why, &body);
	else
		api_send(call->api, call->conn, 200, NULL);
}

const struct api_command api_incident_replay = {
	.name = "incident.replay",
	.method = MESSAGE_POST,
	.collection = "incidents",
	.takes_id = CALL_ID,
	.verb = "replay",
	.right = SERVER_RIGHT_READ,
	.params = call_no_params,
	.summary = "run its judging again, as it was or otherwise: {\"set\":{\"heartbeat.missed\":"
		   "\"10\"}}",
	.run = incident_replay,
};
