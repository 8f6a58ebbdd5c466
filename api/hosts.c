/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/hosts: the blades; their beats, and what a person may do to one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"
#include "api/seen.h"
#include "api/view.h"
#include "common/agent_line.h"
#include "common/clock.h"
#include "fabricd/seen_rows.h"
#include "topology/name.h"

/* ---- documents ---- */

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, h->name);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, fabric_host_state_text(h->state));
}

static void spare_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_bool(v, h->spare);
}

/* Null: it is none, or could not take over. */
static void spare_kind_get(const struct fabric *f, const void *object, struct value *v)
{
	static const char *const texts[FABRIC_SPARE_KINDS] = {
		[FABRIC_SPARE_WARM] = "warm",
		[FABRIC_SPARE_COLD] = "cold",
		[FABRIC_SPARE_STARTING] = "starting",
	};

	value_text(v, texts[fabric_host_spare_kind(f, object)]);
}

static void epoch_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number(v, h->epoch);
}

static void bay_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, h->as.bay);
}

static void boot_id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, h->boot_id);
}

static void present_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_bool(v, h->present);
}

static void chassis_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number(v, h->as.chassis);
}

static void switch_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;
	const struct fabric_switch *s = switch_by_handle(f, h->provider, h->as.switch_handle);

	value_text(v, s ? s->name : NULL);
}

static void port_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;
	const struct fabric_switch *s = switch_by_handle(f, h->provider, h->as.switch_handle);

	value_text(v, NULL);
	if (s) {
		topo_name_port(s->name, h->as.port, v->room);
		value_text(v, v->room);
	}
}

static void vports_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number(v, h->as.vports);
}

static void functions_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number(v, h->functions);
}

static void power_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, !h->as.state.power_known ? "unknown" : h->as.state.power ? "on" : "off");
}

static void link_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, h->as.state.link ? "up" : "down");
}

static void isolated_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_bool(v, h->as.state.isolated);
}

static void witness_get(const struct fabric *f, const void *object, struct value *v)
{
	static const char *const texts[] = {
		[LIVE_CANNOT_TELL] = "cannot-tell",
		[LIVE_SAYS_ALIVE] = "alive",
		[LIVE_SAYS_DEAD] = "dead",
	};
	const struct fabric_host *h = object;

	(void)f;
	value_text(v, texts[h->live.witness]);
}

static void traffic_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_text(v, fabric_host_traffic_text(object));
}

static void fence_get(const struct fabric *f, const void *object, struct value *v)
{
	char rungs[DB_TEXT_MAX];

	fabric_host_rungs(f, object, rungs);
	(void)snprintf(v->room, sizeof(v->room), "%.127s", rungs);
	value_text(v, v->room);
}

static void incident_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number_or_null(v, h->incident);
}

/* When its fence was last proved, and how; null: never. */
static void fence_proved_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_host *h = object;
	char time[32];
	char detail[DB_TEXT_MAX];

	(void)f;
	if (!h->proved.wall_ms) {
		json_null(out);
		return;
	}
	clock_wall_format(h->proved.wall_ms, time);
	(void)snprintf(detail, sizeof(detail), "%s, by a %s: %s; incident %" PRIu64, time,
		       h->proved.by_drill ? "drill" : "fence", h->proved.rungs, h->proved.incident);
	json_open(out, '{');
	json_member_time(out, "time", h->proved.wall_ms);
	json_member_text(out, "by", h->proved.by_drill ? "drill" : "fence");
	json_member_text(out, "rungs", h->proved.rungs);
	json_member_number(out, "incident", h->proved.incident);
	json_member_text(out, "detail", detail);
	json_close(out, '}');
}

static void seq_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;

	(void)f;
	value_number(v, h->seq);
}

static void last_beat_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;
	uint64_t now_ms = clock_boot_ms();
	uint64_t last_ms = h->live.last_beat_ms;

	(void)f;
	value_number(v, now_ms > last_ms ? now_ms - last_ms : 0);
	if (!last_ms)
		value_text(v, NULL);
}

static void not_judged_get(const struct fabric *f, const void *object, struct value *v)
{
	char why[DB_TEXT_MAX];

	value_text(v, NULL);
	if (!fabric_host_unjudged(f, object, why))
		return;
	(void)snprintf(v->room, sizeof(v->room), "%.127s", why);
	value_text(v, v->room);
}

static void seen_ago_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *h = object;
	uint64_t now_ms = clock_boot_ms();

	(void)f;
	value_number(v, now_ms > h->seen_ms ? now_ms - h->seen_ms : 0);
	if (!h->seen_ms)
		value_text(v, NULL);
}

static void seen_put(const struct fabric *f, const void *object, struct buf *out)
{
	view_write(f, object, out);
}

/* By which ways it beats, and when it was last heard by each. */
static void paths_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_host *h = object;
	uint64_t now_ms = clock_boot_ms();

	(void)f;
	json_open(out, '[');
	for (size_t i = 0; i < BEAT_WAYS && h->beats.ways[i].name[0]; i++) {
		const struct beat_way *way = &h->beats.ways[i];

		json_open(out, '{');
		json_member_text(out, "way", way->name);
		json_member_number(out, "heard_ms_ago",
				   now_ms > way->heard_ms ? now_ms - way->heard_ms : 0);
		json_member_number(out, "beats", way->count);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void beats_put(const struct fabric *f, const void *object, struct buf *out)
{
	static const char *const names[BEAT_KINDS] = {
		[BEAT_COUNTED] = "counted",       [BEAT_REORDERED] = "reordered",
		[BEAT_DOUBLED] = "doubled",       [BEAT_LATE] = "late",
		[BEAT_REPLAYED] = "replayed",     [BEAT_FORGED] = "forged",
		[BEAT_CHALLENGED] = "challenged",
	};
	const struct fabric_host *h = object;

	(void)f;
	json_open(out, '{');
	for (size_t i = 0; i < BEAT_KINDS; i++)
		json_member_number(out, names[i], h->beats.counts[i]);
	json_close(out, '}');
}

static void next_put(const struct fabric *f, const void *object, struct buf *out)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	next_steps_write(next, fabric_host_next(f, object, next), out);
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "state", .get = state_get },
	{ .name = "spare", .get = spare_get },
	{ .name = "spare_kind", .get = spare_kind_get },
	{ .name = "epoch", .get = epoch_get },
	{ .name = "bay", .get = bay_get },
	{ .name = "chassis", .get = chassis_get },
	{ .name = "switch", .get = switch_get },
	{ .name = "port", .get = port_get },
	{ .name = "present", .get = present_get },
	{ .name = "power", .get = power_get },
	{ .name = "link", .get = link_get },
	{ .name = "isolated", .get = isolated_get },
	{ .name = "witness", .get = witness_get },
	{ .name = "traffic", .get = traffic_get },
	{ .name = "fence", .get = fence_get },
	{ .name = "fence_proved", .write = fence_proved_put },
	{ .name = "incident", .get = incident_get },
	{ .name = "vports", .get = vports_get },
	{ .name = "functions", .get = functions_get },
	{ .name = "boot_id", .get = boot_id_get },
	{ .name = "seq", .get = seq_get, .moves = true },
	{ .name = "last_beat_ms_ago", .get = last_beat_get, .moves = true },
	{ .name = "not_judged", .get = not_judged_get, .moves = true },
	{ .name = "seen_ms_ago", .get = seen_ago_get, .moves = true },
	{ .name = "paths", .write = paths_put, .moves = true, .alone = true },
	{ .name = "beats", .write = beats_put, .moves = true, .alone = true },
	{ .name = "seen", .write = seen_put, .moves = true, .alone = true },
	{ .name = "next", .write = next_put, .moves = true, .alone = true },
	{ 0 },
};

RESOURCE_LIST(host, fabric_hosts)

static const void *host_find(const struct fabric *f, const char *id)
{
	return fabric_host_find(f, id);
}

const struct resource resource_hosts = {
	.name = "hosts",
	.fields = fields,
	.missing = REFUSE_NO_HOST,
	.find = host_find,
	.count = host_count,
	.at = host_at,
};

static void host_get(struct api_call *call)
{
	const char *view = call->id ? call_param(call, "view") : NULL;

	if (view && call_refuse_params(call, "view"))
		return;
	if (view)
		view_host(call, view);
	else
		resource_get(call, &resource_hosts);
}

const struct api_command api_host_get = {
	.name = "host.get",
	.method = MESSAGE_GET,
	.collection = "hosts",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "blades; with an id, ?view=lspci and ?view=tree are what that host sees",
	.run = host_get,
};

/* ---- beats ---- */

static void host_beat(struct api_call *call)
{
	const struct server_request *rq = call->request;
	struct body_beat beat;
	struct problem p;
	uint64_t epoch = 0;
	int r;

	if (!call_is_of_host(call)) {
		call_refuse(call, REFUSE_RIGHT);
		return;
	}
	r = body_beat_parse(rq->body, rq->body_length, &beat, &p);
	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!r)
		r = fabric_beat(call->fabric, call->id, beat.boot_id, beat.seq, rq->received_ms,
				&epoch);
	if (!r || r == REFUSE_HOST_FENCED || r == REFUSE_FIELD)
		fabric_beat_heard(call->fabric, call->id, "socket",
				  r == REFUSE_FIELD ? BEAT_LATE : BEAT_COUNTED, rq->received_ms);
	if (!r) {
		(void)call_body(call->api);
		api_send(call->api, call->conn, 204, NULL);
		return;
	}
	if (r == REFUSE_FIELD) {
		problem_field(&p, r, "/seq", "does not rise: a beat that came twice or late");
	} else {
		problem_init(&p, r);
		p.epoch = epoch;
	}
	call_refuse_with(call, &p);
}

const struct api_command api_host_beat = {
	.name = "host.beat",
	.method = MESSAGE_PUT,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "heartbeat",
	.right = SERVER_RIGHT_OPERATE,
	.is_open = true,
	.params = call_no_params,
	.summary = "a sign of life: {\"boot_id\":UUID,\"seq\":N}; also for the host's own user",
	.run = host_beat,
};

/* ---- its own view ---- */

static int seen_take(struct api_call *call, const struct agent_line *line)
{
	struct fabric_seen *rows = NULL;
	size_t count = 0;
	int r = seen_rows_make(line, &rows, &count);

	if (!r)
		r = fabric_host_seen(call->fabric, call->id, line->boot_id, rows, count);
	free(rows);
	return r;
}

/* @why: "/functions/0/class: is missing", or without a place. */
static void seen_refuse(struct problem *p, int r, char *why)
{
	char *reason = *why == '/' ? strstr(why, ": ") : NULL;

	if (reason)
		*reason = '\0';
	problem_field(p, r, reason ? why : "", "%s", reason ? reason + 2 : why);
}

/* The object of a "seen" line. Return: 0, or a refusal with @p set, or -errno. */
static int seen_parse(const struct api_call *call, struct agent_line *line, struct problem *p)
{
	const struct server_request *rq = call->request;
	char why[AGENT_TEXT_MAX] = "";
	int r = agent_line_parse(rq->body, rq->body_length, line, why);

	if (!r && (line->type != AGENT_SEEN || strcmp(line->host, call->id) != 0)) {
		(void)snprintf(why, sizeof(why), "/%s: is not as this request's target",
			       line->type == AGENT_SEEN ? "host" : "type");
		r = REFUSE_FIELD;
	}
	if (r > 0)
		seen_refuse(p, r, why);
	return r;
}

static void host_seen(struct api_call *call)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	struct problem p;
	int r;

	if (!call_is_of_host(call)) {
		call_refuse(call, REFUSE_RIGHT);
		return;
	}
	r = seen_parse(call, &line, &p);
	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!r)
		r = seen_take(call, &line);
	if (r) {
		call_refuse(call, r);
		return;
	}
	(void)call_body(call->api);
	api_send(call->api, call->conn, 204, NULL);
}

const struct api_command api_host_seen = {
	.name = "host.seen",
	.method = MESSAGE_PUT,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "seen",
	.right = SERVER_RIGHT_OPERATE,
	.is_open = true,
	.params = call_no_params,
	.summary = "what the host itself sees of its functions; also for the host's own user",
	.run = host_seen,
};

/* ---- what a person may do ---- */

/* What has come to nothing only after it was begun. */
static void late_refuse(const struct ticket *t, int r)
{
	struct problem p;

	problem_init(&p, r);
	if (r == REFUSE_IN_DOUBT)
		(void)snprintf(p.detail, sizeof(p.detail),
			       "the switch did not let %s in: the log says why (journalctl -u "
			       "fabricd)",
			       t->subject);
	if (r == REFUSE_HOST_FENCED)
		(void)snprintf(p.detail, sizeof(p.detail),
			       "%s was fenced anew meanwhile: fabricctl incident list --host %s",
			       t->subject, t->subject);
	api_send_problem(t->api, t->conn, &p);
}

/* Answers with the host as it is now. */
static bool host_done(struct ticket *t, int r, uint64_t id)
{
	const struct fabric_host *host = fabric_host_find(t->api->fabric, t->subject);
	uint64_t hash = 0;

	(void)id;
	if (!r && !host)
		r = REFUSE_NO_HOST;
	if (r) {
		late_refuse(t, r);
		return false;
	}
	resource_write(&resource_hosts, t->api->fabric, host, call_body(t->api), &hash);
	buf_text(&t->api->body, "\n");
	api_send(t->api, t->conn, 200, NULL);
	return false;
}

/* Answers 202 with the incident that has begun, or goes on. */
static bool incident_begun(struct ticket *t, int r, uint64_t id)
{
	const struct fabric_incident *incident = fabric_incident_find(t->api->fabric, id);
	char location[64];
	uint64_t hash = 0;
	struct problem p;

	if (!r && !incident)
		r = REFUSE_NO_INCIDENT;
	if (r) {
		problem_init(&p, r);
		api_send_problem(t->api, t->conn, &p);
		return false;
	}
	(void)snprintf(location, sizeof(location), "incidents/%" PRIu64, id);
	resource_write(&resource_incidents, t->api->fabric, incident, call_body(t->api), &hash);
	buf_text(&t->api->body, "\n");
	api_send(t->api, t->conn, incident_state(incident) == DB_INCIDENT_DONE ? 200 : 202,
		 location);
	return false;
}

/* A ticket for an action on the host that the call names. Return: 0, or it has been refused. */
static int action_begin(struct api_call *call, bool (*finish)(struct ticket *t, int r, uint64_t id),
			struct ticket **t)
{
	const struct fabric_host *host = fabric_host_find(call->fabric, call->id);
	int r = host ? call_if_match(call, &resource_hosts, host) : REFUSE_NO_HOST;

	if (!r)
		r = ticket_new(call->api, call->conn, finish, t);
	if (r) {
		call_refuse(call, r);
		return r;
	}
	(void)snprintf((*t)->subject, sizeof((*t)->subject), "%s", call->id);
	return 0;
}

static void body_refuse(struct api_call *call, int r, const struct problem *p)
{
	if (r > 0)
		call_refuse_with(call, p);
	else
		call_refuse(call, r);
}

static void host_set(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	bool spare = false;
	struct problem p;
	int r = body_spare_parse(call->request->body, call->request->body_length, &spare, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, host_done, &t))
		return;
	r = fabric_host_set_spare(call->fabric, call->id, spare, server_conn_uid(call->conn),
				  ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_set = {
	.name = "host.set",
	.method = MESSAGE_PATCH,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "make it a spare, or not: {\"spare\":true}",
	.run = host_set,
};

static void failover_plan(struct api_call *call)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct fabric_problem why = { .op = SIZE_MAX };
	int r = fabric_host_failover_plan(call->fabric, call->id, &why, &plan);

	plan_answer(call, r, &why, false, &plan);
}

static void host_failover(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	bool dry_run = false;
	struct problem p;
	int r = body_dry_run_parse(call->request->body, call->request->body_length, &dry_run, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (dry_run) {
		failover_plan(call);
		return;
	}
	if (action_begin(call, incident_begun, &t))
		return;
	r = fabric_host_failover(call->fabric, call->id, server_conn_uid(call->conn), &why,
				 ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_failover = {
	.name = "host.failover",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "failover",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "fence it and move what it has to a spare; {\"dry_run\":true} plans only",
	.run = host_failover,
};

/* The only time that the key is told. */
static bool host_enrolled(struct ticket *t, int r, uint64_t id)
{
	struct buf *out;
	struct problem p;

	(void)id;
	if (r) {
		problem_init(&p, r);
		api_send_problem(t->api, t->conn, &p);
		return false;
	}
	out = call_body(t->api);
	buf_bytes(out, t->body.data, t->body.length);
	out->failed |= t->body.failed;
	api_send(t->api, t->conn, 200, NULL);
	return false;
}

static void host_enroll(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	char key[65] = "";
	struct ticket *t;
	bool force = false;
	struct problem p;
	int r = body_force_parse(call->request->body, call->request->body_length, &force, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, host_enrolled, &t))
		return;
	r = fabric_host_enroll(call->fabric, call->id, force, server_conn_uid(call->conn), &why,
			       key, ticket_answered, t);
	json_open(&t->body, '{');
	json_member_text(&t->body, "host", call->id);
	json_member_text(&t->body, "key", key);
	json_close(&t->body, '}');
	buf_text(&t->body, "\n");
	explicit_bzero(key, sizeof(key));
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_enroll = {
	.name = "host.enroll",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "enroll",
	.right = SERVER_RIGHT_ADMIN,
	.params = call_no_params,
	.summary = "a new key for its datagrams, told this once; {\"force\":true}: also where the "
		   "last one is not used yet",
	.run = host_enroll,
};

static void host_readmit(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	struct problem p;
	int r = body_empty_parse(call->request->body, call->request->body_length, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, host_done, &t))
		return;
	r = fabric_host_readmit(call->fabric, call->id, server_conn_uid(call->conn), &why,
				ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_readmit = {
	.name = "host.readmit",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "readmit",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "let a fenced host in again, under a new epoch",
	.run = host_readmit,
};

static void host_maintenance(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	bool on = false;
	struct problem p;
	int r = body_on_parse(call->request->body, call->request->body_length, &on, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, host_done, &t))
		return;
	r = fabric_host_maintenance(call->fabric, call->id, on, server_conn_uid(call->conn), &why,
				    ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_maintenance = {
	.name = "host.maintenance",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "maintenance",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "somebody works at it, verdicts are not acted on: {\"on\":true}",
	.run = host_maintenance,
};

static void host_confirm(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	uint64_t incident = 0;
	struct problem p;
	int r = body_confirm_parse(call->request->body, call->request->body_length, &incident, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, incident_begun, &t))
		return;
	r = fabric_host_fence_confirm(call->fabric, call->id, incident, server_conn_uid(call->conn),
				      &why, ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_confirm = {
	.name = "host.fence-confirm",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "fence-confirm",
	.right = SERVER_RIGHT_ADMIN,
	.params = call_no_params,
	.summary = "vouch that a blocked host is off: {\"incident\":N}",
	.run = host_confirm,
};

/* Answers once the spare is let in again, with the incident that the drill was. */
static bool drill_ended(struct ticket *t, int r, uint64_t id)
{
	struct problem p;

	if (r != REFUSE_DRILL)
		return incident_begun(t, r, id);
	problem_init(&p, r);
	(void)snprintf(p.detail, sizeof(p.detail),
		       "the drill of %s has failed; its time line says how: fabricctl incident "
		       "show %" PRIu64,
		       t->subject, id);
	api_send_problem(t->api, t->conn, &p);
	return false;
}

static void host_drill(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct fabric_drill how = { 0 };
	struct ticket *t;
	struct problem p;
	int r = body_drill_parse(call->request->body, call->request->body_length, &how, &p);

	if (r) {
		body_refuse(call, r, &p);
		return;
	}
	if (action_begin(call, drill_ended, &t))
		return;
	r = fabric_host_drill(call->fabric, call->id, &how, server_conn_uid(call->conn), &why,
			      ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_host_drill = {
	.name = "host.drill",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "drill",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "prove the fence of an idle spare, and let it in again",
	.run = host_drill,
};
