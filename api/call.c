/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/commands.h"
#include "api/resource.h"
#include "common/json.h"
#include "common/log.h"
#include "common/url.h"

enum { BODY_KEEP = 1 << 20, ALLOW_MAX = 64, TEXT_MAX = MESSAGE_TARGET_MAX + 1 };

const char *const call_no_params[] = { NULL };
const char *const call_wait_params[] = { "wait", NULL };

/* All that can be asked for. */
static const struct api_command *const commands[] = {
	&api_function_get,    &api_host_get,      &api_host_beat,        &api_host_seen,
	&api_host_set,        &api_host_failover, &api_host_readmit,     &api_host_confirm,
	&api_switch_get,      &api_port_get,      &api_adapter_get,      &api_assignment_get,
	&api_change_get,      &api_change_post,   &api_change_cancel,    &api_incident_get,
	&api_event_follow,    &api_topology_get,  &api_health_get,       &api_config_get,
	&api_adopt_post,      &api_db_backup,     &api_host_maintenance, &api_host_drain,
	&api_host_enroll,     &api_profile_get,   &api_profile_set,      &api_profile_delete,
	&api_profile_assign,  &api_profile_move,  &api_profile_release,  &api_host_says,
	&api_incident_replay, &api_host_drill,
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

void call_commands(void (*fn)(void *arg, const struct api_command *command), void *arg)
{
	for (size_t i = 0; i < COMMANDS; i++)
		fn(arg, commands[i]);
}

bool call_is_of_host(const struct api_call *call)
{
	const struct config *config = fabric_config(call->fabric);
	uid_t uid = server_conn_uid(call->conn);
	const struct config_host *host;

	if (server_conn_right(call->conn) >= SERVER_RIGHT_OPERATE)
		return true;
	host = config_host_find(config, call->id);
	return host && host->has_uid && host->uid == uid;
}

uint64_t api_hash(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t word;

	hash ^= length * 0x9e3779b97f4a7c15;
	for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * 0xff51afd7ed558ccd;
		hash ^= hash >> 32;
	}
	word = 0;
	if (length)
		memcpy(&word, at, length);
	hash = (hash ^ word) * 0xc4ceb9fe1a85ec53;
	return hash ^ hash >> 29;
}

/* ---- answers ---- */

struct buf *call_body(struct api *api)
{
	api->body.length = 0;
	api->body.failed = false;
	return &api->body;
}

static struct buf *headers_begin(struct api *api)
{
	api->headers.length = 0;
	api->headers.failed = false;
	buf_text(&api->headers, "");
	return &api->headers;
}

static void answer(struct api *api, struct server_conn *c, int status, const char *type)
{
	bool failed = api->body.failed || api->headers.failed;

	server_answer(c, &(struct server_answer){
				 .status = failed ? 500 : status,
				 .type = type,
				 .headers = failed || !api->headers.length
						    ? NULL
						    : (const char *)api->headers.data,
				 .body = api->body.data,
				 .length = failed || !type ? 0 : api->body.length,
			 });
	if (api->body.room > BODY_KEEP)
		buf_done(&api->body);
}

void api_send(struct api *api, struct server_conn *c, int status, const char *location)
{
	struct buf *headers = headers_begin(api);

	if (location) {
		buf_text(headers, "Location: /v1/");
		url_path(headers, location);
		buf_text(headers, "\r\n");
	}
	answer(api, c, status, status == 204 ? NULL : "application/json");
}

void api_send_text(struct api *api, struct server_conn *c, const char *type)
{
	(void)headers_begin(api);
	answer(api, c, 200, type);
}

/* Before every switch has been read, what is not known may be there all the same. */
static int refusal_for_now(const struct api *api, int refusal)
{
	struct fabric_health health;

	if (refusal != REFUSE_NO_FUNCTION && refusal != REFUSE_NO_HOST &&
	    refusal != REFUSE_NO_ADAPTER)
		return refusal;
	fabric_health_get(api->fabric, &health);
	return health.ready || health.frozen ? refusal : REFUSE_PROVIDER_AWAY;
}

/* What health says of it. */
static void health_explain(const struct api *api, struct problem *p)
{
	struct fabric_health health;

	fabric_health_get(api->fabric, &health);
	(void)snprintf(p->detail, sizeof(p->detail), "%s", health.detail);
}

void api_send_problem(struct api *api, struct server_conn *c, const struct problem *problem)
{
	struct buf *headers = headers_begin(api);
	struct problem now = *problem;
	const struct problem *p = &now;
	int status;

	now.refusal = refusal_for_now(api, problem->refusal);
	if (now.refusal != problem->refusal)
		(void)snprintf(now.detail, sizeof(now.detail),
			       "%.300s, as far as is known: not every switch has been read yet",
			       *problem->detail ? problem->detail : refusal_text(problem->refusal));
	if ((now.refusal == REFUSE_FROZEN || now.refusal == REFUSE_PROVIDER_AWAY) && !*now.detail &&
	    !*now.reason)
		health_explain(api, &now);
	status = refusal_http_status(now.refusal);
	if (p->allow) {
		buf_text(headers, "Allow: ");
		buf_text(headers, p->allow);
		buf_text(headers, "\r\n");
	}
	if (status == 503)
		buf_text(headers, "Retry-After: 1\r\n");
	problem_write(p, call_body(api));
	answer(api, c, status, "application/problem+json");
}

static bool has_header(const struct api_call *call, enum message_header header)
{
	return call->request->head->headers[header].at;
}

/* What stands in a collection, and what is said where it does not. */
static const struct {
	const char *collection;
	int missing;
	const char *one; /* "host"; NULL: it has a number */
} things[] = {
	{ "hosts", REFUSE_NO_HOST, "host" },
	{ "adapters", REFUSE_NO_ADAPTER, "adapter" },
	{ "functions", REFUSE_NO_FUNCTION, "function" },
	{ "profiles", REFUSE_NO_PROFILE, "profile" },
	{ "switches", REFUSE_NO_RESOURCE, "switch" },
	{ "ports", REFUSE_NO_RESOURCE, "port" },
	{ "assignments", REFUSE_NO_RESOURCE, "assignment of" },
	{ "changes", REFUSE_NO_CHANGE, NULL },
	{ "incidents", REFUSE_NO_INCIDENT, NULL },
};

static void missing_explain(const struct api_call *call, size_t n, struct problem *p)
{
	if (things[n].one)
		(void)snprintf(p->detail, sizeof(p->detail), "there is no %s %.200s", things[n].one,
			       call->id);
	else if (resource_number_parse(call->id))
		(void)snprintf(p->detail, sizeof(p->detail), "none of the %s has the number %s",
			       things[n].collection, call->id);
	else
		(void)snprintf(p->detail, sizeof(p->detail),
			       "%.200s is no number: %s are numbered from 1 on", call->id,
			       things[n].collection);
}

/* Names what was asked for, and why not, where the refusal alone does not. */
static void refusal_explain(const struct api_call *call, struct problem *p)
{
	const char *collection = call->command ? call->command->collection : "";

	for (size_t i = 0; call->id && i < sizeof(things) / sizeof(*things); i++)
		if (p->refusal == things[i].missing && !strcmp(collection, things[i].collection))
			missing_explain(call, i, p);
	if (p->refusal == REFUSE_PRECONDITION)
		(void)snprintf(p->detail, sizeof(p->detail), "%s",
			       has_header(call, MESSAGE_IF_MATCH)
				       ? "it is not as the ETag of If-Match says: read it again"
				       : "it is there already (If-None-Match)");
	if (p->refusal == REFUSE_RIGHT)
		(void)snprintf(p->detail, sizeof(p->detail),
			       "uid %u is no operator, and not the uid of [host %.200s] in "
			       "fabricd.conf",
			       server_conn_uid(call->conn), call->id ? call->id : "");
}

void call_refuse(struct api_call *call, int r)
{
	struct problem p;

	problem_init(&p, r);
	refusal_explain(call, &p);
	call_refuse_with(call, &p);
}

void call_refuse_with(struct api_call *call, const struct problem *p)
{
	api_send_problem(call->api, call->conn, p);
}

/* ---- ETags: RFC 9110 §8.8, §13.1 ---- */

enum { ETAG_TEXT = 20 };

static void etag_format(uint64_t hash, char out[static ETAG_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	out[0] = '"';
	for (int i = 0; i < 16; i++)
		out[i + 1] = digits[hash >> (60 - 4 * i) & 15];
	out[17] = '"';
	out[18] = '\0';
}

/* Is the tag in the header's list? "*" is any; W/ before a tag is overlooked, because proxies and
 * clients are known to add it. */
static bool etag_matches(const struct api_call *call, enum message_header header, uint64_t hash)
{
	struct message_part part = call->request->head->headers[header];
	const char *list = call->request->bytes + part.at;
	char tag[ETAG_TEXT];

	if (part.length == 1 && *list == '*')
		return true;
	etag_format(hash, tag);
	return memmem(list, part.length, tag, strlen(tag)) != NULL;
}

int call_if_match(struct api_call *call, const struct resource *resource, const void *object)
{
	uint64_t hash = 0;

	if (!has_header(call, MESSAGE_IF_MATCH) && !has_header(call, MESSAGE_IF_NONE_MATCH))
		return 0;
	if (object)
		resource_write(resource, call->fabric, object, call_body(call->api), &hash);
	/* RFC 9110 §13.1.2: "*" is every object that there is. */
	if (object && has_header(call, MESSAGE_IF_NONE_MATCH) &&
	    etag_matches(call, MESSAGE_IF_NONE_MATCH, hash))
		return REFUSE_PRECONDITION;
	if (!has_header(call, MESSAGE_IF_MATCH))
		return 0;
	return object && etag_matches(call, MESSAGE_IF_MATCH, hash) ? 0 : REFUSE_PRECONDITION;
}

void call_reply(struct api_call *call, int status, uint64_t hash)
{
	struct buf *headers = headers_begin(call->api);
	char tag[ETAG_TEXT];

	if (hash) {
		etag_format(hash, tag);
		buf_text(headers, "ETag: ");
		buf_text(headers, tag);
		buf_text(headers, "\r\n");
	}
	if (hash && status == 200 && has_header(call, MESSAGE_IF_NONE_MATCH) &&
	    etag_matches(call, MESSAGE_IF_NONE_MATCH, hash))
		answer(call->api, call->conn, 304, NULL);
	else
		answer(call->api, call->conn, status, "application/json");
}

/* ---- the target ---- */

const char *call_param(const struct api_call *call, const char *name)
{
	for (size_t i = 0; i < call->param_count; i++) {
		if (!strcmp(call->params[i].name, name))
			return call->params[i].value;
	}
	return NULL;
}

bool call_refuse_params(struct api_call *call, const char *but)
{
	struct problem p;
	char path[64];

	for (size_t i = 0; i < call->param_count; i++) {
		if (but && !strcmp(call->params[i].name, but))
			continue;
		(void)snprintf(path, sizeof(path), "?%s", call->params[i].name);
		problem_field(&p, REFUSE_FIELD, path, "no such parameter here");
		call_refuse_with(call, &p);
		return true;
	}
	return false;
}

int call_seconds(const struct api_call *call, const char *name, uint32_t most, uint32_t *seconds,
		 struct problem *p)
{
	const char *text = call_param(call, name);
	char path[32];
	uint32_t n = 0;
	bool good = text && *text;

	*seconds = 0;
	if (!text)
		return 0;
	for (const char *c = text; good && *c; c++) {
		good = *c >= '0' && *c <= '9' && n <= most;
		n = n * 10 + (uint32_t)(*c - '0');
	}
	if (good && n <= most) {
		*seconds = n;
		return 0;
	}
	(void)snprintf(path, sizeof(path), "?%s", name);
	problem_field(p, REFUSE_FIELD, path, "not a number of seconds from 0 to %u", most);
	return REFUSE_FIELD;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. A NUL or another control character stands in no name here. */
static int percent_decode(char *text, bool plus_is_space)
{
	char *out = text;

	for (const char *at = text; *at; at++) {
		char c = *at;

		if (c == '%') {
			int high = hex(at[1]);
			int low = high < 0 ? -1 : hex(at[2]);

			if (low < 0)
				return REFUSE_HTTP;
			c = (char)(high * 16 + low);
			at += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if ((unsigned char)c < ' ' || c == 0x7f)
			return REFUSE_HTTP;
		*out++ = c;
	}
	*out = '\0';
	return 0;
}

static int param_add(struct api_call *call, char *text, struct problem *p)
{
	char *equals = strchr(text, '=');
	char path[64];

	if (equals)
		*equals++ = '\0';
	if (percent_decode(text, true) || (equals && percent_decode(equals, true))) {
		problem_field(p, REFUSE_FIELD, "?", "the query is not percent-encoded text");
		return REFUSE_FIELD;
	}
	(void)snprintf(path, sizeof(path), "?%s", text); /* cut when too long */
	if (call_param(call, text)) {
		problem_field(p, REFUSE_FIELD, path, "is given twice");
		return REFUSE_FIELD;
	}
	if (call->param_count == CALL_PARAMS_MAX) {
		problem_field(p, REFUSE_FIELD, "?", "there are more than %d parameters",
			      CALL_PARAMS_MAX);
		return REFUSE_FIELD;
	}
	call->params[call->param_count].name = text;
	call->params[call->param_count++].value = equals ? equals : "";
	return 0;
}

static int query_parse(struct api_call *call, char *query, struct problem *p)
{
	char *rest = query;
	char *text;
	int r = 0;

	while (!r && (text = strsep(&rest, "&"))) {
		if (*text)
			r = param_add(call, text, p);
	}
	return r;
}

/* ---- routing ---- */

struct route {
	const char *collection;
	size_t collection_length;
	char *id;         /* NULL: none */
	const char *verb; /* NULL: none */
};

static bool is_of(const struct api_command *command, const struct route *route)
{
	return !strncmp(command->collection, route->collection, route->collection_length) &&
	       !command->collection[route->collection_length] &&
	       (command->takes_id == CALL_ANY_ID ||
		(command->takes_id == CALL_ID) == !!route->id) &&
	       (command->verb ? route->verb && !strcmp(command->verb, route->verb) : !route->verb);
}

/* For PUT and POST below hosts, profiles and incidents the last segment is the verb, below db the
 * only one. */
static void verb_split(struct route *route)
{
	char *slash = strrchr(route->id, '/');
	struct route verb = *route;

	verb.verb = slash ? slash + 1 : route->id;
	if (!slash)
		verb.id = NULL;
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i]->verb && is_of(commands[i], &verb)) {
			if (slash)
				*slash = '\0';
			route->id = verb.id;
			route->verb = verb.verb;
			return;
		}
	}
}

/* @path: decoded in part; "/v1/hosts/ch2/bay7". */
static int route_parse(char *path, enum message_method method, struct route *out)
{
	char *end;

	if (strncmp(path, "/v1/", 4) != 0)
		return REFUSE_NO_RESOURCE;
	path += 4;
	end = strchrnul(path, '/');
	*out = (struct route){ .collection = path, .collection_length = (size_t)(end - path) };
	if (!*end || !end[1])
		return 0;
	out->id = end + 1;
	if (percent_decode(out->id, false))
		return REFUSE_HTTP;
	if (method == MESSAGE_POST || method == MESSAGE_PUT)
		verb_split(out);
	return 0;
}

/* "GET, HEAD, PATCH", of what stands on this path; "" when nothing does. */
static const struct api_command *command_find(const struct route *route, enum message_method method,
					      char allow[static ALLOW_MAX])
{
	size_t length = 0;

	*allow = '\0';
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!is_of(commands[i], route))
			continue;
		if (commands[i]->method == method)
			return commands[i];
		length += (size_t)snprintf(allow + length, ALLOW_MAX - length, "%s%s%s",
					   length ? ", " : "",
					   message_method_text(commands[i]->method),
					   commands[i]->method == MESSAGE_GET ? ", HEAD" : "");
	}
	return NULL;
}

static int params_check(const struct api_call *call, struct problem *p)
{
	char path[64];

	for (size_t i = 0; call->command->params && i < call->param_count; i++) {
		const char *const *known = call->command->params;

		while (*known && strcmp(*known, call->params[i].name) != 0)
			known++;
		if (*known)
			continue;
		(void)snprintf(path, sizeof(path), "?%s", call->params[i].name);
		problem_field(p, REFUSE_FIELD, path, "no such parameter here");
		return REFUSE_FIELD;
	}
	return 0;
}

static int right_check(const struct api_call *call, struct problem *p)
{
	enum server_right has = server_conn_right(call->conn);

	if (call->command->is_open || has >= call->command->right)
		return 0;
	problem_init(p, REFUSE_RIGHT);
	(void)snprintf(p->detail, sizeof(p->detail), "uid %u has the right %s; %s takes %s",
		       server_conn_uid(call->conn), roles_right_text(has), call->command->name,
		       roles_right_text(call->command->right));
	return REFUSE_RIGHT;
}

/* A stranger learns nothing, not even what there is. */
static int stranger_check(const struct api_call *call, const struct route *route, struct problem *p)
{
	const char *verb = route->verb;

	if (server_conn_right(call->conn) > SERVER_RIGHT_NONE ||
	    (verb && (!strcmp(verb, "heartbeat") || !strcmp(verb, "seen"))))
		return 0;
	problem_init(p, REFUSE_RIGHT);
	(void)snprintf(p->detail, sizeof(p->detail), "uid %u is in none of the manager's groups",
		       server_conn_uid(call->conn));
	return REFUSE_RIGHT;
}

/* With the target as it was sent. */
static void target_explain(const struct api_call *call, struct problem *p)
{
	struct message_part target = call->request->head->target;
	const char *text = call->request->bytes + target.at;
	int length = target.length < 200 ? (int)target.length : 200;

	if (p->allow)
		(void)snprintf(p->detail, sizeof(p->detail), "%.*s takes %s only", length, text,
			       p->allow);
	else if (p->refusal == REFUSE_HTTP)
		(void)snprintf(p->detail, sizeof(p->detail), "%.*s is not percent-encoded text",
			       length, text);
	else
		(void)snprintf(p->detail, sizeof(p->detail), "nothing is served at %.*s", length,
			       text);
}

static int call_route(struct api_call *call, char *path, char allow[static ALLOW_MAX],
		      struct problem *p)
{
	struct route route = { 0 };
	int r = route_parse(path, call->method, &route);
	int stranger = stranger_check(call, &route, p);

	if (stranger)
		return stranger;
	if (r) {
		problem_init(p, r);
		target_explain(call, p);
		return r;
	}
	call->id = route.id;
	call->command = command_find(&route, call->method, allow);
	if (call->command)
		return right_check(call, p);
	r = *allow ? REFUSE_METHOD : REFUSE_NO_RESOURCE;
	problem_init(p, r);
	p->allow = *allow ? allow : NULL;
	target_explain(call, p);
	return r;
}

void call_run(struct api *api, struct server_conn *c, const struct server_request *request)
{
	const struct message_head *head = request->head;
	struct api_call call = {
		.api = api,
		.fabric = api->fabric,
		.conn = c,
		.request = request,
		.method = head->method == MESSAGE_HEAD ? MESSAGE_GET : head->method,
	};
	char target[TEXT_MAX];
	char allow[ALLOW_MAX];
	struct problem p;
	char *query;
	int r;

	memcpy(target, request->bytes + head->target.at, head->target.length);
	target[head->target.length] = '\0';
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	r = call_route(&call, target, allow, &p);
	if (!r && query)
		r = query_parse(&call, query, &p);
	if (!r)
		r = params_check(&call, &p);
	log_debug("control socket: uid %u: %s /v1 %s: %s", server_conn_uid(c),
		  message_method_text(head->method), call.command ? call.command->name : "?",
		  r ? refusal_code(r) : "runs");
	if (r)
		call_refuse_with(&call, &p);
	else
		call.command->run(&call);
}
