/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <grp.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "api/api.h"
#include "api/message.h"
#include "api/server.h"
#include "api_client.h"
#include "common/agent_line.h"
#include "fake_fabric.h"

struct rig {
	struct event_base *base;
	struct fabric fabric;
	struct api *api;
	struct client c;
	struct reply r;
	json_object *doc;
	char path[64];
};

static int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct api_config config = { .fd = -1 };
	char dir[] = "/tmp/test_api.XXXXXX";
	char why[512];

	assert_non_null(rig);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/s", dir);
	config.path = rig->path;
	rig->base = event_base_new();
	fake_init(&rig->fabric);
	*state = rig;
	if (api_new(rig->base, &rig->fabric, &config, why, &rig->api))
		return -1;
	return client_open(&rig->c, rig->base, rig->path);
}

static int rig_teardown(void **state)
{
	struct rig *rig = *state;

	client_close(&rig->c);
	api_free(rig->api);
	event_base_free(rig->base);
	reply_done(&rig->r);
	json_object_put(rig->doc);
	*strrchr(rig->path, '/') = '\0';
	(void)rmdir(rig->path);
	free(rig);
	return 0;
}

static void ask_with(struct rig *rig, const char *method, const char *target, const char *headers,
		     const char *body)
{
	OWNED(buf_done) struct buf out = { 0 };

	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, target, headers);
	if (body)
		buf_printf(&out, "Content-Length: %zu\r\n", strlen(body));
	buf_printf(&out, "\r\n%s", body ? body : "");
	client_send_bytes(&rig->c, (const char *)out.data, out.length);
}

/* The answer, parsed. */
static int answer(struct rig *rig)
{
	(void)client_reply(&rig->c, true, &rig->r);
	json_object_put(rig->doc);
	rig->doc = rig->r.length ? json_tokener_parse(rig->r.body) : NULL;
	return rig->r.status;
}

static int get(struct rig *rig, const char *target)
{
	ask_with(rig, "GET", target, "", NULL);
	return answer(rig);
}

static int send_body(struct rig *rig, const char *method, const char *target, const char *body)
{
	ask_with(rig, method, target, "", body);
	return answer(rig);
}

/* Turns the loop until the fabric was asked. */
static void until_asked(struct rig *rig)
{
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	while (!rig->fabric.answer && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_non_null(rig->fabric.answer);
}

static void fabric_answers(struct rig *rig, int r, uint64_t id)
{
	fabric_answer_fn *fn = rig->fabric.answer;

	rig->fabric.answer = NULL;
	fn(rig->fabric.answer_arg, r, id);
}

/* A value by "a.b.0.c"; NULL: null or not there. */
static json_object *at(const struct rig *rig, const char *path)
{
	char copy[128];
	char *rest = copy;
	char *name;
	json_object *o = rig->doc;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while (o && (name = strsep(&rest, "."))) {
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, (size_t)atoi(name));
		else if (!json_object_object_get_ex(o, name, &o))
			o = NULL;
	}
	return o;
}

static const char *text_at(const struct rig *rig, const char *path)
{
	json_object *o = at(rig, path);

	return o ? json_object_get_string(o) : "null";
}

static void a_function_is_told_with_all_its_members(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);

	assert_string_equal(reply_header(&rig->r, "Content-Type"), "application/json");
	assert_string_equal(text_at(rig, "id"), "nic-3fa2/pf0/vf1");
	assert_string_equal(text_at(rig, "kind"), "vf");
	assert_string_equal(text_at(rig, "adapter"), "nic-3fa2");
	assert_string_equal(text_at(rig, "host"), "bay1");
	assert_string_equal(text_at(rig, "vport"), "3");
	assert_string_equal(text_at(rig, "generation"), "9");
	assert_string_equal(text_at(rig, "identity.mac"), "02:fa:b0:00:00:01");
	assert_string_equal(text_at(rig, "state"), "bound");
	assert_string_equal(text_at(rig, "bound.host"), "bay1");
	assert_string_equal(text_at(rig, "vendor"), "8086");
	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf2"), 200);
	assert_string_equal(text_at(rig, "change"), "7");
	assert_string_equal(text_at(rig, "step"), "bind");
	assert_string_equal(text_at(rig, "host"), "null");
}

static void both_views_of_a_function_stand_side_by_side(void **state)
{
	struct rig *rig = *state;
	struct fabric_seen rows[] = { { .address = "0000:05:00.0",
					.driver = "nvme",
					.serial = "FAB0001",
					.class_code = 0x010802,
					.vendor = 0x1b36,
					.device = 0x0010,
					.slot = 18,
					.link = FABRIC_SEEN_LINK_UP },
				      { .address = "0000:00:01.0", .class_code = 0x0200 } };

	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);
	assert_string_equal(text_at(rig, "seen"), "null");
	rig->fabric.hosts[0].seen = rows;
	rig->fabric.hosts[0].seen_count = 2;
	rig->fabric.hosts[0].seen_ms = 1;

	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);
	assert_string_equal(text_at(rig, "seen.condition"), "seen");
	assert_string_equal(text_at(rig, "seen.detail"), "seen by bay1");
	assert_string_equal(text_at(rig, "seen.address"), "0000:05:00.0");
	assert_string_equal(text_at(rig, "seen.mac"), "null");
	assert_string_equal(text_at(rig, "bound.unknown"), "false");
	assert_int_equal(get(rig, "/v1/assignments?condition=seen"), 200);
	assert_string_equal(text_at(rig, "items.0.bound.host"), "bay1");
	assert_string_equal(text_at(rig, "items.0.seen.driver"), "nvme");
	assert_int_equal(get(rig, "/v1/hosts/bay1"), 200);
	assert_string_equal(text_at(rig, "seen.0.class"), "0108");
	assert_string_equal(text_at(rig, "seen.0.function"), "nic-3fa2/pf0/vf1");
	assert_string_equal(text_at(rig, "seen.1.class"), "0200");
	assert_string_equal(text_at(rig, "seen.1.function"), "null");
	assert_int_equal(get(rig, "/v1/hosts?id=bay1"), 200);
	assert_null(at(rig, "items.0.seen"));
	rig->fabric.hosts[0].seen_count = 0;
}

static void where_a_function_is_may_be_unknown_or_outside(void **state)
{
	struct rig *rig = *state;
	struct provider_binding *now = &rig->fabric.functions[1].as.now;

	now->unknown = true;
	rig->fabric.hosts[0].as.vports = 8;
	now->vport = 240;

	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);

	assert_string_equal(text_at(rig, "bound.unknown"), "true");
	assert_string_equal(text_at(rig, "bound.outside"), "true");
	now->host = 0;
	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);
	assert_string_equal(text_at(rig, "bound.host"), "null");
	assert_string_equal(text_at(rig, "bound.outside"), "false");
}

static void an_encoded_slash_names_the_same_thing(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/functions/nic-3fa2%2Fpf0%2fvf1"), 200);
	assert_string_equal(text_at(rig, "id"), "nic-3fa2/pf0/vf1");
	assert_int_equal(get(rig, "/v1/hosts/ch2/bay10"), 200);
	assert_string_equal(text_at(rig, "state"), "fenced");
	assert_int_equal(get(rig, "/v1/hosts/%zz"), 400);
	assert_int_equal(get(rig, "/v1/hosts/%00"), 400);
}

static void every_collection_has_a_list_and_objects(void **state)
{
	static const struct {
		const char *one;
		const char *list;
	} all[] = {
		{ "/v1/hosts/bay1", "/v1/hosts" },
		{ "/v1/switches/sw0", "/v1/switches" },
		{ "/v1/ports/sw0/p1", "/v1/ports" },
		{ "/v1/adapters/nic-3fa2", "/v1/adapters" },
		{ "/v1/functions/nic-3fa2/pf0", "/v1/functions" },
		{ "/v1/assignments/nic-3fa2/pf0/vf1", "/v1/assignments" },
		{ "/v1/changes/7", "/v1/changes" },
		{ "/v1/incidents/3", "/v1/incidents" },
		{ "/v1/profiles/web", "/v1/profiles" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char none[64];

		assert_int_equal(get(rig, all[i].list), 200);
		assert_non_null(at(rig, "items.0.id"));
		assert_int_equal(get(rig, all[i].one), 200);
		assert_string_equal(text_at(rig, "id"), strchr(all[i].one + 4, '/') + 1);
		(void)snprintf(none, sizeof(none), "%s/none", all[i].list);
		assert_int_equal(get(rig, none), 404);
		assert_string_equal(reply_header(&rig->r, "Content-Type"),
				    "application/problem+json");
	}
	assert_int_equal(get(rig, "/v1/assignments/nic-3fa2/pf0/vf2"), 404);
}

static void what_is_not_durable_is_not_told(void **state)
{
	struct rig *rig = *state;
	struct fabric *f = &rig->fabric;
	struct fabric_function *fn = &f->functions[1];

	fn->stored = (struct fabric_owner){ .host = fn->host, .vport = 9, .generation = 77 };
	fn->unstored = true;
	fn->host = NULL; /* released, and that is under way to the disk */
	assert_int_equal(get(rig, "/v1/functions/nic-3fa2/pf0/vf1"), 200);
	assert_string_equal(text_at(rig, "host"), fn->stored.host->name);
	assert_int_equal(json_object_get_int(at(rig, "vport")), 9);
	assert_int_equal(json_object_get_int(at(rig, "generation")), 77);
	assert_int_equal(get(rig, "/v1/assignments/nic-3fa2/pf0/vf1"), 200);
	fn->unstored = false;
	assert_int_equal(get(rig, "/v1/assignments/nic-3fa2/pf0/vf1"), 404);

	f->change.durable = false;
	f->incident.durable = false;
	assert_int_equal(get(rig, "/v1/changes/7"), 404);
	assert_int_equal(get(rig, "/v1/incidents/3"), 404);
	assert_int_equal(get(rig, "/v1/incidents"), 200);
	assert_int_equal(json_object_array_length(at(rig, "items")), 0);
}

static void pages_cover_a_list_once_and_in_order(void **state)
{
	struct rig *rig = *state;
	char target[256] = "/v1/functions?limit=60";
	int seen = 0;

	for (;;) {
		size_t n;

		assert_int_equal(get(rig, target), 200);
		n = json_object_array_length(at(rig, "items"));
		for (size_t i = 0; i < n; i++, seen++) {
			json_object *item = json_object_array_get_idx(at(rig, "items"), i);
			json_object *id = NULL;

			assert_true(json_object_object_get_ex(item, "id", &id));
			assert_string_equal(json_object_get_string(id),
					    rig->fabric.functions[seen].name);
		}
		if (!at(rig, "next"))
			break;
		assert_int_equal(n, 60);
		assert_int_equal(strspn(text_at(rig, "next"),
					"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-_"),
				 strlen(text_at(rig, "next")));
		(void)snprintf(target, sizeof(target), "/v1/functions?limit=60&cursor=%s",
			       text_at(rig, "next"));
	}
	assert_int_equal(seen, FAKE_FUNCTIONS);
	assert_int_equal(get(rig, "/v1/functions"), 200);
	assert_int_equal(json_object_array_length(at(rig, "items")), 100);
}

static void lists_are_filtered_by_their_scalar_fields(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/functions?host=bay1"), 200);
	assert_int_equal(json_object_array_length(at(rig, "items")), 1);
	assert_int_equal(get(rig, "/v1/functions?kind=pf&host="), 200);
	assert_string_equal(text_at(rig, "items.0.id"), "nic-3fa2/pf0");
	assert_null(at(rig, "items.1"));
	assert_int_equal(get(rig, "/v1/hosts?spare=false&epoch=4"), 200);
	assert_string_equal(text_at(rig, "items.0.id"), "ch2/bay10");
	assert_int_equal(get(rig, "/v1/hosts?id=ch2%2Fbay10&state=alive"), 200);
	assert_int_equal(json_object_array_length(at(rig, "items")), 0);
}

static void queries_that_mean_nothing_are_refused_by_name(void **state)
{
	static const struct {
		const char *target;
		const char *path;
	} bad[] = {
		{ "/v1/functions?colour=red", "?colour" },
		{ "/v1/functions?identity=x", "?identity" },
		{ "/v1/functions?limit=0", "?limit" },
		{ "/v1/functions?limit=1001", "?limit" },
		{ "/v1/functions?limit=-1", "?limit" },
		{ "/v1/functions?limit=", "?limit" },
		{ "/v1/functions?limit=1e2", "?limit" },
		{ "/v1/functions?cursor=", "?cursor" },
		{ "/v1/functions?cursor=!", "?cursor" },
		{ "/v1/functions?cursor=AA", "?cursor" },
		{ "/v1/functions?cursor=Y", "?cursor" },
		{ "/v1/hosts?state=a&state=b", "?state" },
		{ "/v1/health?x=1", "?x" },
		{ "/v1/config?limit=1", "?limit" },
		{ "/v1/hosts/bay1?view=dot", "?view" },
		{ "/v1/hosts/bay1?view=lspci&x=1", "?x" },
		{ "/v1/hosts/bay1?x=1&view=lspci", "?x" },
		{ "/v1/hosts/bay1?state=alive", "?state" },
		{ "/v1/changes/7?x=1&wait=1", "?x" },
		{ "/v1/changes/7?wait=x", "?wait" },
		{ "/v1/changes/7?wait=99999", "?wait" },
		{ "/v1/events?since=a-b", "?since" },
		{ "/v1/hosts?%zz=1", "?" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (get(rig, bad[i].target) != 400 ||
		    strcmp(text_at(rig, "errors.0.path"), bad[i].path) != 0)
			fail_msg("%s: %d %s", bad[i].target, rig->r.status, rig->r.body);
	}
	assert_int_equal(get(rig, "/v1/functions?colour=red"), 400);
	assert_non_null(strstr(text_at(rig, "errors.0.reason"),
			       "functions cannot be filtered by that, but by id, kind, adapter, "));
}

static void methods_that_do_not_stand_on_a_path_get_405_with_allow(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		const char *allow;
	} bad[] = {
		{ "POST", "/v1/functions", "GET, HEAD" },
		{ "BREW", "/v1/functions/nic-3fa2/pf0", "GET, HEAD" },
		{ "DELETE", "/v1/hosts/bay1", "GET, HEAD, PATCH" },
		{ "POST", "/v1/hosts/bay1", "GET, HEAD, PATCH" },
		{ "PUT", "/v1/hosts/ch2/bay10", "GET, HEAD, PATCH" },
		{ "POST", "/v1/hosts/ch2/bay10/heartbeat", "PUT" },
		{ "PUT", "/v1/hosts/bay1/failover", "POST" },
		{ "PUT", "/v1/changes", "GET, HEAD, POST" },
		{ "PATCH", "/v1/changes/7", "GET, HEAD, DELETE" },
		{ "OPTIONS", "/v1/health", "GET, HEAD" },
		{ "GET", "/v1/adopt", "POST" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (send_body(rig, bad[i].method, bad[i].target, "{}") != 405 ||
		    strcmp(reply_header(&rig->r, "Allow"), bad[i].allow) != 0 ||
		    strcmp(text_at(rig, "code"), "bad-method") != 0)
			fail_msg("%s %s: %s", bad[i].method, bad[i].target, rig->r.head);
	}
}

static void what_does_not_exist_is_404(void **state)
{
	static const char *const targets[] = { "/",        "/v1",          "/v2/hosts",
					       "/v1/host", "/v1/hostss",   "/v1/health/x",
					       "/v1/h",    "/v1/hosts/x/y" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		assert_int_equal(get(rig, targets[i]), 404);
}

static void a_refusal_names_what_was_asked_for(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		const char *detail;
	} bad[] = {
		{ "GET", "/v1/hosts/bay99", "there is no host bay99" },
		{ "POST", "/v1/hosts/bay99/drain", "there is no host bay99" },
		{ "POST", "/v1/hosts/bay99/readmit", "there is no host bay99" },
		{ "GET", "/v1/adapters/x", "there is no adapter x" },
		{ "GET", "/v1/functions/x/pf0", "there is no function x/pf0" },
		{ "GET", "/v1/assignments/x/pf0", "there is no assignment of x/pf0" },
		{ "GET", "/v1/switches/sw9", "there is no switch sw9" },
		{ "GET", "/v1/ports/sw9/port0", "there is no port sw9/port0" },
		{ "DELETE", "/v1/profiles/x", "there is no profile x" },
		{ "GET", "/v1/incidents/99", "none of the incidents has the number 99" },
		{ "GET", "/v1/incidents/abc",
		  "abc is no number: incidents are numbered from 1 on" },
		{ "POST", "/v1/incidents/x/replay",
		  "x is no number: incidents are numbered from 1 on" },
		{ "POST", "/v1/incidents/-1/replay",
		  "-1 is no number: incidents are numbered from 1 on" },
		{ "POST", "/v1/incidents/0/replay",
		  "0 is no number: incidents are numbered from 1 on" },
		{ "DELETE", "/v1/changes/99", "none of the changes has the number 99" },
		{ "DELETE", "/v1/changes/9z", "9z is no number: changes are numbered from 1 on" },
		{ "GET", "/v1/hostss/bay1", "nothing is served at /v1/hostss/bay1" },
		{ "GET", "/v1/hosts/%zz", "/v1/hosts/%zz is not percent-encoded text" },
		{ "POST", "/v1/functions", "/v1/functions takes GET, HEAD only" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int status = send_body(rig, bad[i].method, bad[i].target, "{}");

		if (status < 400 || strcmp(text_at(rig, "detail"), bad[i].detail) != 0)
			fail_msg("%s %s: %d %s", bad[i].method, bad[i].target, status, rig->r.body);
	}
}

static void before_every_switch_is_read_nothing_is_said_to_be_missing(void **state)
{
	struct rig *rig = *state;

	rig->fabric.health.ready = false;
	assert_int_equal(get(rig, "/v1/hosts/bay99"), 503);
	assert_string_equal(text_at(rig, "code"), "provider-away");
	assert_string_equal(text_at(rig, "detail"),
			    "there is no host bay99, as far as is known: not every switch has "
			    "been read yet");
}

static void what_comes_to_nothing_late_names_the_host(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/hosts/bay1/readmit", "", "{}");
	until_asked(rig);
	fabric_answers(rig, REFUSE_IN_DOUBT, 0);
	assert_int_equal(answer(rig), 409);
	assert_non_null(strstr(text_at(rig, "detail"), "did not let bay1 in"));
	ask_with(rig, "POST", "/v1/hosts/bay1/readmit", "", "{}");
	until_asked(rig);
	fabric_answers(rig, REFUSE_HOST_FENCED, 0);
	assert_int_equal(answer(rig), 409);
	assert_non_null(strstr(text_at(rig, "detail"), "fabricctl incident list --host bay1"));
}

static void a_frozen_manager_says_why(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/hosts/bay1"), 200);
	assert_null(at(rig, "not_judged"));
	rig->fabric.health.frozen = true;
	(void)snprintf(rig->fabric.health.detail, sizeof(rig->fabric.health.detail),
		       "the disk is full");
	assert_int_equal(get(rig, "/v1/hosts/bay1"), 200);
	assert_string_equal(text_at(rig, "not_judged"), "fabricd is frozen; last beat 3.1 s ago");
	rig->fabric.result = REFUSE_FROZEN;
	assert_int_equal(send_body(rig, "PATCH", "/v1/hosts/bay1", "{\"spare\":true}"), 503);
	assert_string_equal(text_at(rig, "detail"), "the disk is full");
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/readmit", "{}"), 503);
	assert_string_equal(text_at(rig, "detail"), "because"); /* where it has a reason */
	(void)snprintf(rig->fabric.health.detail, sizeof(rig->fabric.health.detail),
		       "provider a: connecting");
	rig->fabric.result = REFUSE_PROVIDER_AWAY;
	assert_int_equal(send_body(rig, "POST", "/v1/adopt", "{}"), 503);
	assert_string_equal(text_at(rig, "detail"), "provider a: connecting");
}

static void head_is_get_without_the_body(void **state)
{
	struct rig *rig = *state;
	char length[512];

	assert_int_equal(get(rig, "/v1/hosts/ch2/bay10"), 200);
	(void)snprintf(length, sizeof(length), "%s", reply_header(&rig->r, "Content-Length"));
	ask_with(rig, "HEAD", "/v1/hosts/ch2/bay10", "", NULL);

	assert_int_equal(client_reply(&rig->c, false, &rig->r), 200);
	assert_string_equal(reply_header(&rig->r, "Content-Length"), length);
	assert_int_equal(get(rig, "/v1/health"), 200);
}

static void tag_keep(const struct rig *rig, char tag[static 64])
{
	const char *sent = reply_header(&rig->r, "ETag");

	assert_non_null(sent);
	assert_in_range(snprintf(tag, 64, "%s", sent), 2, 63);
}

static void a_tag_holds_until_the_object_changes(void **state)
{
	struct rig *rig = *state;
	char tag[64];
	char header[128];

	assert_int_equal(get(rig, "/v1/hosts/bay1"), 200);
	tag_keep(rig, tag);
	assert_int_equal(tag[0], '"');
	rig->fabric.hosts[0].seq++; /* a beat is no change */
	rig->fabric.hosts[0].live.last_beat_ms = clock_boot_ms();
	(void)snprintf(header, sizeof(header), "If-None-Match: %s\r\n", tag);
	ask_with(rig, "GET", "/v1/hosts/bay1", header, NULL);
	assert_int_equal(answer(rig), 304);
	assert_int_equal(rig->r.length, 0);
	rig->fabric.hosts[0].epoch++;

	ask_with(rig, "GET", "/v1/hosts/bay1", header, NULL);
	assert_int_equal(answer(rig), 200);
	assert_string_not_equal(reply_header(&rig->r, "ETag"), tag);
}

static void if_match_guards_a_change_of_the_object(void **state)
{
	struct rig *rig = *state;
	char tag[64];
	char header[600];

	ask_with(rig, "PATCH", "/v1/hosts/bay1", "If-Match: \"0\"\r\n", "{\"spare\":true}");
	assert_int_equal(answer(rig), 412);
	assert_int_equal(rig->fabric.requests, 0);
	assert_int_equal(get(rig, "/v1/hosts/bay1"), 200);
	tag_keep(rig, tag);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(header, sizeof(header), "If-Match: %s%s\r\n",
			       i == 1 ? "\"x\", W/" : "", i == 2 ? "*" : tag);
		ask_with(rig, "PATCH", "/v1/hosts/bay1", header, "{\"spare\":true}");
		until_asked(rig);
		fabric_answers(rig, 0, 0);
		assert_int_equal(answer(rig), 200);
	}
	assert_true(rig->fabric.flag);
}

/* ---- changes ---- */

#define ASSIGN                                                                   \
	"{\"operations\":[{\"op\":\"assign\",\"function\":\"nic-3fa2/pf0/vf2\"," \
	"\"host\":\"bay1\",\"vport\":4,\"identity\":{\"mac\":\"02:fa:b0:00:00:02\",\"vlan\":7}}]"

static void a_change_is_accepted_once_it_is_durable(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/changes", "Idempotency-Key: abc\r\n", ASSIGN "}");
	until_asked(rig);
	for (int i = 0; i < 3; i++)
		client_turn(rig->base);
	(void)client_read(&rig->c);
	assert_int_equal(rig->c.in.length, 0); /* not a word before the intent is stored */
	fabric_answers(rig, 0, 7);

	assert_int_equal(answer(rig), 202);
	assert_string_equal(reply_header(&rig->r, "Location"), "/v1/changes/7");
	assert_string_equal(text_at(rig, "id"), "7");
	assert_string_equal(text_at(rig, "state"), "running");
	assert_string_equal(text_at(rig, "operations.0.step"), "bind");
	assert_int_equal(rig->fabric.op_count, 1);
	assert_int_equal(rig->fabric.ops[0].op, DB_OP_ASSIGN);
	assert_string_equal(rig->fabric.ops[0].function, "nic-3fa2/pf0/vf2");
	assert_int_equal(rig->fabric.ops[0].vport, 4);
	assert_int_equal(rig->fabric.ops[0].identity.mac, 0x02fab0000002);
	assert_int_equal(rig->fabric.ops[0].identity.vlan, 7);
	assert_string_equal(rig->fabric.key, "abc");
	assert_int_equal(rig->fabric.uid, getuid());
}

static void waiting_answers_when_the_change_ends(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/changes?wait=30", "", ASSIGN "}");
	until_asked(rig);
	fabric_answers(rig, 0, 7);
	assert_non_null(rig->fabric.waiter);
	rig->fabric.change.row.state = DB_CHANGE_PARKED;
	rig->fabric.functions[2].item = NULL;
	rig->fabric.waiter(rig->fabric.waiter_arg, 0, 7);

	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "state"), "parked");
}

static void waiting_ends_with_its_time(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/changes?wait=1", "", ASSIGN "}");
	until_asked(rig);
	fabric_answers(rig, 0, 7);

	assert_int_equal(answer(rig), 202);
	assert_int_equal(rig->fabric.unwaits, 1);
	assert_string_equal(text_at(rig, "state"), "running");
}

static void an_end_is_told_only_once_it_is_durable(void **state)
{
	struct rig *rig = *state;

	rig->fabric.change.row.state = DB_CHANGE_DONE; /* but its function is locked still */
	rig->fabric.change.row.ended_wall_ms = 5000;
	assert_int_equal(get(rig, "/v1/changes/7"), 200);
	assert_string_equal(text_at(rig, "state"), "running");
	assert_null(at(rig, "ended"));
	rig->fabric.functions[2].item = NULL;

	assert_int_equal(get(rig, "/v1/changes/7"), 200);
	assert_string_equal(text_at(rig, "state"), "done");
	assert_non_null(at(rig, "ended"));
}

static void an_incident_has_ended_only_once_that_is_durable(void **state)
{
	struct rig *rig = *state;

	rig->fabric.incident.row.state = DB_INCIDENT_DONE;
	rig->fabric.incident.row.ended_wall_ms = 5000;
	rig->fabric.incident.unstored = 1;
	assert_int_equal(get(rig, "/v1/incidents/3"), 200);
	assert_string_equal(text_at(rig, "state"), "moving");
	assert_null(at(rig, "ended"));
	rig->fabric.incident.unstored = 0;

	assert_int_equal(get(rig, "/v1/incidents/3"), 200);
	assert_string_equal(text_at(rig, "state"), "done");
	assert_non_null(at(rig, "ended"));
}

static void who_waits_for_a_change_that_has_ended_is_answered_at_once(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/changes/7?wait=0"), 200);
	assert_int_equal(get(rig, "/v1/changes/99?wait=30"), 404);
	rig->fabric.change.row.state = DB_CHANGE_DONE;
	rig->fabric.functions[2].item = NULL;
	assert_int_equal(get(rig, "/v1/changes/7?wait=30"), 200);
	assert_string_equal(text_at(rig, "state"), "done");
}

static void a_client_that_leaves_a_wait_is_forgotten(void **state)
{
	struct rig *rig = *state;
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	ask_with(rig, "GET", "/v1/changes/7?wait=30", "", NULL);
	while (!rig->fabric.waiter)
		client_turn(rig->base);
	client_close(&rig->c);

	while (!rig->fabric.unwaits && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_int_equal(rig->fabric.unwaits, 1);
	rig->c.fd = -1;
}

static void an_answer_to_one_who_has_left_finds_nobody(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/changes?wait=5", "", ASSIGN "}");
	until_asked(rig);
	client_close(&rig->c);
	for (int i = 0; i < 5; i++)
		client_turn(rig->base);
	fabric_answers(rig, 0, 7);

	assert_null(rig->fabric.waiter);
	rig->c.fd = -1;
}

static void a_refused_change_names_the_field(void **state)
{
	struct rig *rig = *state;

	rig->fabric.result = REFUSE_VPORT_TAKEN;
	rig->fabric.refused_field = "vport";
	assert_int_equal(send_body(rig, "POST", "/v1/changes", ASSIGN "}"), 409);
	assert_string_equal(text_at(rig, "code"), "vport-taken");
	assert_string_equal(text_at(rig, "errors.0.path"), "/operations/0/vport");
	assert_string_equal(text_at(rig, "errors.0.reason"), "because");
	assert_string_equal(text_at(rig, "status"), "409");
}

static void a_dry_run_plans_and_stores_nothing(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send_body(rig, "POST", "/v1/changes", ASSIGN ",\"dry_run\":true}"), 200);
	assert_int_equal(rig->fabric.requests, 0);
	assert_string_equal(text_at(rig, "dry_run"), "true");
	assert_string_equal(text_at(rig, "plan.0.function"), "nic-3fa2/pf0/vf2");
	assert_string_equal(text_at(rig, "plan.0.steps.1"), "read back");
}

static void a_bad_body_changes_nothing_and_names_the_field(void **state)
{
#define OP(rest) "{\"operations\":[{" rest "}]}"
	static const struct {
		const char *body;
		const char *code;
		const char *path;
	} bad[] = {
		{ "", "bad-json", "" },
		{ "{'operations':[]}", "bad-json", "" },
		{ "{\"operations\":NaN}", "bad-json", "/operations" },
		{ "{\"operations\":[],\"operations\":[]}", "bad-json", "/operations" },
		{ "{\"operations\":[{\"vport\":99999999999999999999}]}", "bad-json",
		  "/operations/0/vport" },
		{ "{} {}", "bad-json", "" },
		{ "[]", "bad-field", "" },
		{ "null", "bad-field", "" },
		{ "{}", "bad-field", "/operations" },
		{ "{\"operations\":[]}", "bad-field", "/operations" },
		{ "{\"operations\":{}}", "bad-field", "/operations" },
		{ "{\"operations\":[1]}", "bad-field", "/operations/0" },
		{ OP("\"op\":\"steal\",\"function\":\"f\",\"host\":\"h\""), "bad-field",
		  "/operations/0/op" },
		{ OP("\"op\":1,\"function\":\"f\",\"host\":\"h\""), "bad-field",
		  "/operations/0/op" },
		{ OP("\"function\":\"f\",\"host\":\"h\""), "bad-field", "/operations/0/op" },
		{ OP("\"op\":\"assign\",\"host\":\"h\""), "bad-field", "/operations/0/function" },
		{ OP("\"op\":\"assign\",\"function\":\"f\""), "bad-field", "/operations/0/host" },
		{ OP("\"op\":\"assign\",\"function\":\"\",\"host\":\"h\""), "bad-field",
		  "/operations/0/function" },
		{ OP("\"op\":\"assign\",\"function\":7,\"host\":\"h\""), "bad-field",
		  "/operations/0/function" },
		{ OP("\"op\":\"release\",\"function\":\"f\",\"host\":\"h\""), "bad-field",
		  "/operations/0/host" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"vport\":0"),
		  "bad-field", "/operations/0/vport" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"vport\":241"),
		  "bad-field", "/operations/0/vport" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"vport\":-1"),
		  "bad-field", "/operations/0/vport" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"vport\":1.5"),
		  "bad-field", "/operations/0/vport" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"vport\":\"1\""),
		  "bad-field", "/operations/0/vport" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"x\":1"), "bad-field",
		  "/operations/0/x" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"identity\":7"),
		  "bad-field", "/operations/0/identity" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"identity\":{\"mac\":"
		     "\"03:00:00:00:00:01\"}"),
		  "bad-field", "/operations/0/identity/mac" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"identity\":{\"vlan\":"
		     "4095}"),
		  "bad-field", "/operations/0/identity/vlan" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"identity\":{\"wwpn\":"
		     "\"x\"}"),
		  "bad-field", "/operations/0/identity/wwpn" },
		{ OP("\"op\":\"assign\",\"function\":\"f\",\"host\":\"h\",\"identity\":{\"guid\":"
		     "1}"),
		  "bad-field", "/operations/0/identity/guid" },
		{ ASSIGN ",\"dry_run\":1}", "bad-field", "/dry_run" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (send_body(rig, "POST", "/v1/changes", bad[i].body) != 400 ||
		    strcmp(text_at(rig, "code"), bad[i].code) != 0 ||
		    strcmp(text_at(rig, "errors.0.path"), bad[i].path) != 0)
			fail_msg("%s: %d %s", bad[i].body, rig->r.status, rig->r.body);
	}
	(void)send_body(rig, "POST", "/v1/changes",
			OP("\"op\":\"assign\",\"identity\":{\"mac\":\"03:00:00:00:00:01\"}"));
	assert_non_null(strstr(text_at(rig, "errors.0.reason"),
			       "03:00:00:00:00:01 is a multicast address"));
	assert_int_equal(rig->fabric.requests, 0);
#undef OP
}

static void a_change_is_cancelled_by_delete(void **state)
{
	struct rig *rig = *state;

	rig->fabric.result = REFUSE_NOT_CANCELLABLE;
	assert_int_equal(send_body(rig, "DELETE", "/v1/changes/7", NULL), 409);
	assert_string_equal(text_at(rig, "detail"), "change 7 is running; its kind is asked");
	rig->fabric.result = 0;
	ask_with(rig, "DELETE", "/v1/changes/7", "", NULL);
	until_asked(rig);
	rig->fabric.change.row.state = DB_CHANGE_CANCELLED;
	rig->fabric.functions[2].item = NULL;
	fabric_answers(rig, 0, 7);

	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "state"), "cancelled");
	assert_int_equal(send_body(rig, "DELETE", "/v1/changes/8", NULL), 404);
	assert_int_equal(send_body(rig, "DELETE", "/v1/changes/07", NULL), 404);
}

/* ---- hosts ---- */

#define BOOT "\"boot_id\":\"0edf50d0-b56b-46e8-a28c-91f39423f725\""

static void a_beat_is_passed_on_with_its_time(void **state)
{
	struct rig *rig = *state;
	uint64_t before_ms = clock_boot_ms();

	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", "{" BOOT ",\"seq\":12}"),
			 204);

	assert_null(reply_header(&rig->r, "Content-Length"));
	assert_string_equal(rig->fabric.host, "bay1");
	assert_int_equal(rig->fabric.seq, 12);
	assert_in_range(rig->fabric.number, before_ms, clock_boot_ms());
}

static void a_fenced_host_is_told_its_epoch(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(
		send_body(rig, "PUT", "/v1/hosts/ch2/bay10/heartbeat", "{" BOOT ",\"seq\":1}"),
		409);
	assert_string_equal(text_at(rig, "code"), "host-fenced");
	assert_string_equal(text_at(rig, "epoch"), "4");
}

#define SAYS "{\"host\":\"bay1\"," BOOT ","

static void what_an_agent_says_is_passed_on_and_answered_by_a_line(void **state)
{
	struct rig *rig = *state;
	char text[256];

	(void)snprintf(text, sizeof(text),
		       SAYS "\"type\":\"told\",\"epoch\":9,\"incarnation\":\"%016" PRIx64 "\"}",
		       agent_incarnation(fabric_incarnation(NULL)));
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/says", text), 200);
	assert_string_equal(text_at(rig, "type"), "manager");
	assert_int_equal(rig->fabric.number, 9);
	rig->fabric.number = 0;
	assert_int_equal(
		send_body(rig, "PUT", "/v1/hosts/bay1/says", SAYS "\"type\":\"told\",\"epoch\":9}"),
		200);
	assert_int_equal(rig->fabric.number, 0); /* of no database, or another one */

	rig->fabric.result = REFUSE_HOST_FENCED;
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/says",
				   SAYS "\"type\":\"leaving\",\"seq\":12}"),
			 200);
	assert_string_equal(text_at(rig, "state"), "fenced");
	assert_string_equal(text_at(rig, "epoch"), "5");
	assert_int_equal(rig->fabric.seq, 12);

	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/says",
				   SAYS "\"type\":\"stopped\",\"epoch\":4,\"stopped\":8,"
					"\"still\":0}"),
			 204);
	assert_int_equal(rig->fabric.number, 4);
	assert_int_equal(rig->fabric.seq, 8);
}

static void what_an_agent_may_not_say_is_refused(void **state)
{
	static const struct {
		const char *target;
		const char *body;
		int status;
	} bad[] = {
		{ "/v1/hosts/bay1/says", SAYS "\"type\":\"beat\",\"seq\":1}", 400 },
		{ "/v1/hosts/bay1/says",
		  "{\"type\":\"manager\",\"incarnation\":\"0123456789abcdef\"}", 400 },
		{ "/v1/hosts/bay1/says", SAYS "\"type\":\"stopped\",\"epoch\":4}", 400 },
		{ "/v1/hosts/ch2/bay10/says", SAYS "\"type\":\"told\",\"epoch\":4}", 400 },
		{ "/v1/hosts/x/says", SAYS "\"type\":\"told\",\"epoch\":4}", 404 },
		{ "/v1/hosts/bay1/says", "{", 400 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (send_body(rig, "PUT", bad[i].target, bad[i].body) != bad[i].status)
			fail_msg("%zu: %d", i, rig->r.status);
	assert_int_equal(rig->fabric.number, 0);
}

static void bad_beats_are_refused(void **state)
{
	static const struct {
		const char *body;
		const char *path;
	} bad[] = {
		{ "{\"seq\":1}", "/boot_id" },
		{ "{" BOOT "}", "/seq" },
		{ "{" BOOT ",\"seq\":-1}", "/seq" },
		{ "{" BOOT ",\"seq\":18446744073709551615}", "/seq" },
		{ "{\"boot_id\":\"x\",\"seq\":1}", "/boot_id" },
		{ "{\"boot_id\":\"0edf50d0+b56b-46e8-a28c-91f39423f725\",\"seq\":1}", "/boot_id" },
		{ "{" BOOT ",\"seq\":1,\"x\":1}", "/x" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", bad[i].body) != 400 ||
		    strcmp(text_at(rig, "errors.0.path"), bad[i].path) != 0)
			fail_msg("%s: %s", bad[i].body, rig->r.body);
	}
	assert_string_equal(rig->fabric.host, "");
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/x/heartbeat", "{" BOOT ",\"seq\":1}"),
			 404);
}

#define SEEN "{\"type\":\"seen\"," BOOT ",\"host\":"
#define NVME                                                                                \
	"{\"address\":\"0000:05:00.0\",\"slot\":16,\"class\":\"0108\",\"vendor\":\"1b36\"," \
	"\"device\":\"0010\",\"driver\":\"nvme\",\"serial\":\"FAB0001\"}"

static void a_host_s_own_view_is_passed_on(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/ch2/bay10/seen",
				   SEEN "\"ch2/bay10\",\"functions\":[" NVME "]}"),
			 204);

	assert_string_equal(rig->fabric.host, "ch2/bay10");
	assert_string_equal(rig->fabric.boot_id, "0edf50d0-b56b-46e8-a28c-91f39423f725");
	assert_int_equal(rig->fabric.seen_count, 1);
	assert_string_equal(rig->fabric.seen.address, "0000:05:00.0");
	assert_int_equal(rig->fabric.seen.slot, 16);
	assert_int_equal(rig->fabric.seen.class_code, 0x010800);
	assert_string_equal(rig->fabric.seen.driver, "nvme");
	assert_string_equal(rig->fabric.seen.serial, "FAB0001");
	assert_int_equal(rig->fabric.seen.link, FABRIC_SEEN_LINK_UNKNOWN);
}

static void a_bad_view_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *body;
		const char *path;
	} bad[] = {
		{ "", "" },
		{ "{\"type\":\"beat\"," BOOT ",\"host\":\"bay1\",\"seq\":1}", "/type" },
		{ SEEN "\"bay2\",\"functions\":[]}", "/host" },
		{ SEEN "\"bay1\"}", "/functions" },
		{ SEEN "\"bay1\",\"functions\":[{}]}", "/functions/0/address" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (send_body(rig, "PUT", "/v1/hosts/bay1/seen", bad[i].body) != 400 ||
		    strcmp(text_at(rig, "errors.0.path"), bad[i].path) != 0)
			fail_msg("%s: %s", bad[i].body, rig->r.body);
	}
	assert_string_equal(rig->fabric.host, "");
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/x/seen", SEEN "\"x\",\"functions\":[]}"),
			 404);
}

static void a_failover_by_hand_answers_with_its_incident(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/failover", "", "{}");
	until_asked(rig);
	fabric_answers(rig, 0, 3);

	assert_int_equal(answer(rig), 202);
	assert_string_equal(reply_header(&rig->r, "Location"), "/v1/incidents/3");
	assert_string_equal(text_at(rig, "timeline.0.what"), "suspected");
	assert_string_equal(text_at(rig, "moves.0.function"), "nic-3fa2/pf0/vf2");
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/failover", "{\"dry_run\":true}"),
			 200);
	assert_string_equal(text_at(rig, "target"), "bay1");
}

/* Sends a drain under @key; the fabric takes it. Return: the hash that goes with the key. */
static uint64_t drain_under(struct rig *rig, const char *host, const char *key, const char *body)
{
	char target[64];
	char headers[64];

	(void)snprintf(target, sizeof(target), "/v1/hosts/%s/drain", host);
	(void)snprintf(headers, sizeof(headers), "Idempotency-Key: %s\r\n", key);
	ask_with(rig, "POST", target, headers, body);
	until_asked(rig);
	assert_string_equal(rig->fabric.key, key);
	fabric_answers(rig, 0, 7);
	assert_int_equal(answer(rig), 202);
	return rig->fabric.hash;
}

static void a_drain_is_known_again_by_its_key_host_and_body(void **state)
{
	struct rig *rig = *state;
	uint64_t hash = drain_under(rig, "bay1", "k", "{}");

	assert_true(drain_under(rig, "bay1", "k", "{}") == hash);
	assert_true(drain_under(rig, "bay1", "k", "{\"to\":\"ch2/bay10\"}") != hash);
	assert_true(drain_under(rig, "ch2/bay10", "k", "{}") != hash);
	rig->fabric.result = REFUSE_KEY_REUSED;
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/drain", "{}"), 409);
	assert_string_equal(text_at(rig, "code"), "key-reused");
	ask_with(rig, "POST", "/v1/hosts/bay1/drain", "Idempotency-Key: \r\n", "{}");
	assert_int_equal(answer(rig), 400);
}

static void what_a_person_does_to_a_host_reaches_the_fabric(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/readmit", "", NULL);
	until_asked(rig);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "id"), "ch2/bay10");
	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/maintenance", "", "{\"on\":true}");
	until_asked(rig);
	assert_true(rig->fabric.flag);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "id"), "ch2/bay10");
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/maintenance", "{}"), 400);
	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/drill", "", "{\"force\":true}");
	until_asked(rig);
	assert_true(rig->fabric.flag);
	fabric_answers(rig, REFUSE_DRILL, 4);
	assert_int_equal(answer(rig), 409);
	assert_string_equal(text_at(rig, "code"), "drill-failed");
	assert_non_null(strstr(text_at(rig, "detail"), "fabricctl incident show 4"));
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/drill", "{\"force\":1}"), 400);
	rig->fabric.drain_is_empty = true; /* that is no error */
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/ch2/bay10/drain", "{}"), 200);
	assert_non_null(strstr(rig->r.body, "\"plan\":["));
	rig->fabric.drain_is_empty = false;
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/ch2/bay10/drain", "{\"dry_run\":true}"),
			 200);
	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/drain", "", "{\"to\":\"bay1\"}");
	until_asked(rig);
	assert_string_equal(rig->fabric.host, "ch2/bay10>bay1");
	fabric_answers(rig, 0, 7);
	assert_int_equal(answer(rig), 202);
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/drain", "{\"to\":1}"), 400);
	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/fence-confirm", "", "{\"incident\":3}");
	until_asked(rig);
	fabric_answers(rig, REFUSE_NO_INCIDENT, 0);
	assert_int_equal(answer(rig), 404);
	assert_int_equal(rig->fabric.number, 3);
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/fence-confirm", "{}"), 400);
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/none/readmit", "{}"), 404);
}

static void a_night_is_run_again_as_it_was_and_otherwise(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay", ""), 200);
	assert_int_equal(rig->fabric.number, 3);
	assert_string_equal(text_at(rig, "host"), "bay1");
	assert_non_null(strstr(text_at(rig, "hosts"), "bay1: judged dead at +5.000 s"));
	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay",
				   "{\"set\":{\"heartbeat.missed\":\"10\"}}"),
			 200);
	assert_non_null(strstr(text_at(rig, "hosts"),
			       "bay1: judged dead at +5.000 s; otherwise judged dead at +10.000 s "
			       "if it stayed silent (the record ends at +5.000 s)"));
	assert_non_null(strstr(text_at(rig, "otherwise"), "\"offset_ms\": 10000"));
	assert_non_null(strstr(text_at(rig, "begin_ms"), "-999"));
}

static void what_cannot_be_set_is_named_by_its_pointer(void **state)
{
	struct rig *rig = *state;

	rig->fabric.result = REFUSE_FIELD;
	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay",
				   "{\"set\":{\"heartbeat.interval\":\"2s\"}}"),
			 400);
	assert_string_equal(text_at(rig, "errors.0.path"), "/set/heartbeat.interval");
	rig->fabric.result = REFUSE_NO_RECORD;
	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay", "{}"), 404);
	assert_string_equal(text_at(rig, "code"), "no-record");
	rig->fabric.result = 0;
	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay", "{\"set\":[]}"), 400);
	assert_int_equal(send_body(rig, "POST", "/v1/incidents/3/replay",
				   "{\"set\":{\"heartbeat.missed\":10}}"),
			 400);
	assert_int_equal(rig->fabric.requests, 2);
}

static void enrolling_tells_the_key_once_it_is_in_the_audit(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/enroll", "", "{}");
	until_asked(rig);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "host"), "ch2/bay10");
	assert_int_equal(strlen(text_at(rig, "key")), 64);
	assert_int_equal(text_at(rig, "key")[0], 'a');
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/none/enroll", "{}"), 404);
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay7/enroll", "{\"force\":1}"), 400);

	ask_with(rig, "POST", "/v1/hosts/ch2/bay10/enroll", "", "{\"force\":true}");
	until_asked(rig);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 200);
	assert_int_equal(text_at(rig, "key")[0], 'b');
}

#define WEB                                                                                   \
	"{\"priority\":321,\"functions\":[{\"function\":\"nic-3fa2/pf0/vf2\"},{\"function\":" \
	"\"nic-3fa2/pf0/vf1\",\"identity\":{\"mac\":\"02:fa:b0:00:00:02\",\"vlan\":7}}]}"

static void a_profile_is_told_with_its_functions(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/profiles/web"), 200);
	assert_string_equal(text_at(rig, "priority"), "500");
	assert_string_equal(text_at(rig, "state"), "split");
	assert_string_equal(text_at(rig, "reason"), "the test says so");
	assert_string_equal(text_at(rig, "count"), "2");
	assert_string_equal(text_at(rig, "functions.1.function"), "nic-3fa2/pf0/vf2");
	assert_string_equal(text_at(rig, "functions.1.identity.mac"), "02:fa:b0:00:00:02");
	assert_int_equal(get(rig, "/v1/functions?profile=web"), 200);
	assert_string_equal(text_at(rig, "items.0.id"), "nic-3fa2/pf0/vf1");
	assert_null(at(rig, "items.1"));
	assert_int_equal(get(rig, "/v1/profiles?state=free"), 200);
	assert_null(at(rig, "items.0"));
}

static void a_profile_is_defined_and_deleted(void **state)
{
	struct rig *rig = *state;

	ask_with(rig, "PUT", "/v1/profiles/web", "", WEB);
	until_asked(rig);
	assert_string_equal(rig->fabric.profile_asked.name, "web");
	assert_int_equal(rig->fabric.profile_asked.priority, 321);
	assert_int_equal(rig->fabric.profile_asked.member_count, 2);
	assert_true(rig->fabric.member_asked.has_identity);
	assert_int_equal(rig->fabric.member_asked.identity.vlan, 7);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "id"), "web");

	ask_with(rig, "PUT", "/v1/profiles/db", "", "{\"functions\":[{\"function\":\"f\"}]}");
	until_asked(rig);
	assert_int_equal(rig->fabric.profile_asked.priority, FABRIC_PRIORITY);
	assert_false(rig->fabric.member_asked.has_identity);
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 201);
	assert_string_equal(reply_header(&rig->r, "Location"), "/v1/profiles/db");

	ask_with(rig, "DELETE", "/v1/profiles/db", "If-Match: *\r\n", NULL);
	until_asked(rig);
	assert_string_equal(rig->fabric.host, "-db");
	fabric_answers(rig, 0, 0);
	assert_int_equal(answer(rig), 204);
}

static void a_profile_that_is_refused_names_the_function(void **state)
{
	struct rig *rig = *state;

	rig->fabric.result = REFUSE_IN_PROFILE;
	rig->fabric.refused_field = "function";
	rig->fabric.refused_op = 1;
	assert_int_equal(send_body(rig, "PUT", "/v1/profiles/web", WEB), 409);
	assert_string_equal(text_at(rig, "code"), "in-profile");
	assert_string_equal(text_at(rig, "errors.0.path"), "/functions/1/function");
}

static void a_bad_profile_reaches_nobody(void **state)
{
	static const struct {
		const char *body;
		const char *path;
	} bad[] = {
		{ "{}", "/functions" },
		{ "{\"functions\":[]}", "/functions" },
		{ "{\"functions\":[{}]}", "/functions/0/function" },
		{ "{\"functions\":[{\"function\":\"\"}]}", "/functions/0/function" },
		{ "{\"functions\":[{\"function\":\"f\",\"vport\":1}]}", "/functions/0/vport" },
		{ "{\"functions\":[{\"function\":\"f\",\"identity\":{\"mac\":1}}]}",
		  "/functions/0/identity/mac" },
		{ "{\"priority\":1001,\"functions\":[{\"function\":\"f\"}]}", "/priority" },
		{ "{\"priority\":-1,\"functions\":[{\"function\":\"f\"}]}", "/priority" },
		{ "{\"name\":\"x\",\"functions\":[{\"function\":\"f\"}]}", "/name" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(send_body(rig, "PUT", "/v1/profiles/web", bad[i].body), 400);
		assert_string_equal(text_at(rig, "errors.0.path"), bad[i].path);
	}
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/web/assign", "{}"), 400);
	assert_string_equal(text_at(rig, "errors.0.path"), "/host");
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/web/release", "{\"host\":\"bay1\"}"),
			 400);
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/web/move?wait=x", "{}"), 400);
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/none/release", "{}"), 404);
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/web", "{}"), 405);
	ask_with(rig, "PUT", "/v1/profiles/none", "If-Match: *\r\n", WEB);
	assert_int_equal(answer(rig), 412);
	ask_with(rig, "PUT", "/v1/profiles/web", "If-None-Match: *\r\n", WEB);
	assert_int_equal(answer(rig), 412);
	assert_int_equal(rig->fabric.requests, 0);
}

static void a_profile_goes_to_a_host_as_a_change(void **state)
{
	struct rig *rig = *state;
	uint64_t hash;

	ask_with(rig, "POST", "/v1/profiles/web/assign", "Idempotency-Key: k-1\r\n",
		 "{\"host\":\"bay1\"}");
	until_asked(rig);
	assert_string_equal(rig->fabric.key, "k-1");
	hash = rig->fabric.hash;
	assert_string_equal(rig->fabric.host, "assign web>bay1");
	fabric_answers(rig, 0, 7);
	assert_int_equal(answer(rig), 202);
	assert_string_equal(reply_header(&rig->r, "Location"), "/v1/changes/7");
	rig->fabric.answer = NULL;
	ask_with(rig, "POST", "/v1/profiles/web/release", "", NULL);
	until_asked(rig);
	assert_string_equal(rig->fabric.host, "release web>");
	assert_string_equal(rig->fabric.key, "");
	assert_true(rig->fabric.hash != hash);
	fabric_answers(rig, 0, 7);
	assert_int_equal(answer(rig), 202);
	assert_int_equal(send_body(rig, "POST", "/v1/profiles/web/move",
				   "{\"host\":\"bay1\",\"dry_run\":true}"),
			 200);
	assert_string_equal(text_at(rig, "dry_run"), "true");
	assert_int_equal(rig->fabric.requests, 2);
}

static void adopting_tells_what_was_taken_in(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send_body(rig, "POST", "/v1/adopt", "{\"dry_run\":true}"), 200);
	assert_string_equal(text_at(rig, "dry_run"), "true");
	assert_string_equal(text_at(rig, "plan.0.state"), "null"); /* nothing is done */
	assert_int_equal(rig->fabric.requests, 0);
	rig->fabric.item.row.state = DB_CHANGE_REFUSED;
	assert_int_equal(send_body(rig, "POST", "/v1/adopt", "{\"dry_run\":true}"), 200);
	assert_string_equal(text_at(rig, "plan.0.state"), "refused");
	rig->fabric.item.row.state = DB_CHANGE_DONE;
	ask_with(rig, "POST", "/v1/adopt", "", "{}");
	until_asked(rig);
	fabric_answers(rig, 0, 0);

	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "dry_run"), "false");
	assert_string_equal(text_at(rig, "plan.0.function"), "nic-3fa2/pf0/vf2");
	assert_string_equal(text_at(rig, "plan.0.state"), "done");
}

/* ---- the rest ---- */

static void health_is_503_until_ready(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get(rig, "/v1/health"), 200);
	assert_string_equal(text_at(rig, "differences.0.kind"), "missing");
	assert_string_equal(text_at(rig, "providers.0.state"), "ready");
	rig->fabric.health.ready = false;
	rig->fabric.health.status = "starting";

	assert_int_equal(get(rig, "/v1/health"), 503);
	assert_string_equal(text_at(rig, "status"), "starting");
}

static void what_is_not_known_yet_is_503_until_ready(void **state)
{
	static const char *const targets[] = { "/v1/hosts/none", "/v1/functions/none",
					       "/v1/adapters/none" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		rig->fabric.health.ready = true;
		assert_int_equal(get(rig, targets[i]), 404);
		rig->fabric.health.ready = false;
		assert_int_equal(get(rig, targets[i]), 503);
		assert_string_equal(text_at(rig, "code"), "provider-away");
	}
	assert_int_equal(get(rig, "/v1/changes/999"), 404);
	assert_int_equal(get(rig, "/v1/nonsense"), 404);
}

static void config_lists_every_key(void **state)
{
	struct rig *rig = *state;
	size_t count = 0;

	(void)config_keys(&count);
	assert_int_equal(get(rig, "/v1/config"), 200);
	assert_int_equal(json_object_array_length(at(rig, "keys")), count);
	assert_non_null(at(rig, "keys.0.help"));
}

static void view_one(struct rig *rig, uint8_t bus)
{
	uint8_t bytes[64] = { 0x86, 0x80, 0xed, 0x10, [8] = 1, [10] = 0, [11] = 2 };
	const struct provider_config config = { .bus = bus, .length = 64, .bytes = bytes };

	rig->fabric.view(rig->fabric.view_arg, &config, NULL);
}

static void view_begin(struct rig *rig, const char *target)
{
	ask_with(rig, "GET", target, "", NULL);
	rig->fabric.view = NULL;
	while (!rig->fabric.view)
		client_turn(rig->base);
	view_one(rig, 1);
	view_one(rig, 2);
	rig->fabric.view(rig->fabric.view_arg, NULL, "");
}

static void topology_and_views_are_made_of_configuration_space(void **state)
{
	struct rig *rig = *state;

	view_begin(rig, "/v1/topology");
	assert_int_equal(answer(rig), 200);
	assert_string_equal(text_at(rig, "source"), "fabric");
	assert_string_equal(text_at(rig, "functions.1.address"), "0000:02:00.0");
	view_begin(rig, "/v1/hosts/ch2/bay10?view=lspci");
	assert_int_equal(answer(rig), 200);
	assert_string_equal(rig->fabric.host, "ch2/bay10");
	assert_non_null(strstr(rig->r.head, "text/plain"));
	assert_ptr_equal(strstr(rig->r.body, "0000:01:00.0 0200: 8086:10ed\n00: 86 80 ed 10 "),
			 rig->r.body);
	view_begin(rig, "/v1/hosts/bay1?view=tree");
	assert_int_equal(answer(rig), 200);
	assert_non_null(strstr(rig->r.body, "8086:10ed"));
}

static void a_large_topology_is_written_in_slices(void **state)
{
	enum { MANY = 5000 };
	struct rig *rig = *state;

	ask_with(rig, "GET", "/v1/topology", "", NULL);
	while (!rig->fabric.view)
		client_turn(rig->base);
	for (int i = 0; i < MANY; i++)
		view_one(rig, (uint8_t)(i % 250));
	rig->fabric.view(rig->fabric.view_arg, NULL, "");

	assert_int_equal(answer(rig), 200);
	assert_int_equal(json_object_array_length(at(rig, "functions")), MANY);
	ask_with(rig, "GET", "/v1/topology", "", NULL);
	rig->fabric.view = NULL;
	while (!rig->fabric.view)
		client_turn(rig->base);
	for (int i = 0; i < MANY; i++)
		view_one(rig, (uint8_t)(i % 250));
	rig->fabric.view(rig->fabric.view_arg, NULL, "");
	client_close(&rig->c); /* while it is being written */
	for (int i = 0; i < 10; i++)
		client_turn(rig->base);
	assert_int_equal(rig->fabric.cancelled_views, 0);
	rig->c.fd = -1;
}

static void a_view_that_fails_or_is_left_ends_well(void **state)
{
	struct rig *rig = *state;
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	assert_int_equal(get(rig, "/v1/hosts/none?view=tree"), 404);
	ask_with(rig, "GET", "/v1/topology", "", NULL);
	while (!rig->fabric.view)
		client_turn(rig->base);
	rig->fabric.view(rig->fabric.view_arg, NULL, "the provider was lost");
	assert_int_equal(answer(rig), 503);
	assert_string_equal(text_at(rig, "detail"), "the provider was lost");
	rig->fabric.view = NULL;
	ask_with(rig, "GET", "/v1/topology", "", NULL);
	while (!rig->fabric.view)
		client_turn(rig->base);
	client_close(&rig->c);

	while (!rig->fabric.cancelled_views && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_int_equal(rig->fabric.cancelled_views, 1);
	rig->c.fd = -1;
}

static void four_views_at_once_and_no_more(void **state)
{
	struct rig *rig = *state;
	struct client c[4];

	for (int i = 0; i < 4; i++) {
		assert_int_equal(client_open(&c[i], rig->base, rig->path), 0);
		client_send(&c[i], "GET /v1/topology HTTP/1.1\r\nHost: x\r\n\r\n");
		rig->fabric.view = NULL;
		while (!rig->fabric.view)
			client_turn(rig->base);
	}

	assert_int_equal(get(rig, "/v1/topology"), 503);
	for (int i = 0; i < 4; i++)
		client_close(&c[i]);
}

/* ---- events ---- */

#define INCARNATION "11111111-2222-3333-4444-555555555555"

static void until_text(struct rig *rig, const char *text)
{
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	buf_text(&rig->c.in, "");
	while (!rig->c.ended && clock_boot_ms() < until_ms) {
		(void)client_read(&rig->c);
		if (rig->c.in.length &&
		    memmem(rig->c.in.data, rig->c.in.length, text, strlen(text)))
			return;
		client_turn(rig->base);
	}
	fail_msg("no \"%s\" in: %.*s", text, (int)rig->c.in.length, (char *)rig->c.in.data);
}

static bool has_text(struct rig *rig, const char *text)
{
	return memmem(rig->c.in.data, rig->c.in.length, text, strlen(text)) != NULL;
}

static void follow(struct rig *rig, const char *target, const char *headers)
{
	ask_with(rig, "GET", target, headers, NULL);
	assert_int_equal(client_reply(&rig->c, true, &rig->r), 200);
	assert_string_equal(reply_header(&rig->r, "Content-Type"), "text/event-stream");
}

static void events_come_from_now_on(void **state)
{
	struct rig *rig = *state;
	const struct db_event event = { .n = 6 };

	follow(rig, "/v1/events", "");
	rig->fabric.event_last = 6;
	api_publish(rig->api, &event);

	until_text(rig, "\n\n");
	assert_true(has_text(rig, "id: " INCARNATION "-6\ndata: {\"n\":6,"));
	assert_true(has_text(rig, "\"type\":\"host.alive\""));
	assert_true(has_text(rig, "\"detail\":\"event \\\"6\\\"\""));
	assert_false(has_text(rig, "-5\n"));
}

static void events_resume_behind_the_last_one_seen(void **state)
{
	struct rig *rig = *state;

	follow(rig, "/v1/events", "Last-Event-ID: " INCARNATION "-3\r\n");
	until_text(rig, "-5\n");

	assert_true(has_text(rig, "-4\n"));
	assert_false(has_text(rig, "-3\n"));
	assert_false(has_text(rig, "gap"));
}

static void what_is_no_longer_kept_is_a_gap(void **state)
{
	struct rig *rig = *state;

	rig->fabric.event_first = 4;
	follow(rig, "/v1/events?since=1", "");
	until_text(rig, "-5\n");

	assert_true(has_text(rig, "event: gap\ndata: {\"type\":\"gap\",\"from\":2,\"to\":3,"));
	assert_true(has_text(rig, "-4\n"));
}

static void another_incarnation_is_a_gap_and_all_that_there_is(void **state)
{
	struct rig *rig = *state;

	follow(rig, "/v1/events", "Last-Event-ID: 99999999-2222-3333-4444-555555555555-3\r\n");
	until_text(rig, "-5\n");

	assert_true(has_text(rig, "event: gap"));
	assert_true(has_text(rig, "-1\n"));
}

static void events_that_are_not_durable_are_not_told(void **state)
{
	struct rig *rig = *state;
	const struct db_event event = { .n = 6 };

	follow(rig, "/v1/events", "");
	rig->fabric.event_last = 7; /* 7 is in memory, and its commit is not done */
	api_publish(rig->api, &event);
	until_text(rig, "-6\n");
	for (int i = 0; i < 3; i++)
		client_turn(rig->base);
	(void)client_read(&rig->c);

	assert_false(has_text(rig, "-7\n"));
}

static void a_long_history_arrives_whole_at_the_clients_pace(void **state)
{
	struct rig *rig = *state;
	const struct db_event event = { .n = FAKE_EVENTS };
	const char *text;
	int next = 1;

	rig->fabric.event_last = FAKE_EVENTS;
	api_publish(rig->api, &event);
	fake_event_walks = 0;
	follow(rig, "/v1/events?since=0", "");
	for (int i = 0; i < 20; i++) /* it does not read */
		client_turn(rig->base);
	until_text(rig, "-8192\n");

	for (text = (const char *)rig->c.in.data; (text = strstr(text, "\"n\":")); text++)
		assert_int_equal(atoi(text + 4), next++);
	assert_int_equal(next, FAKE_EVENTS + 1);
	assert_in_range(fake_event_walks, 10, 1000); /* 1.2 MB, never more than 64 KiB gathered */
}

/* ---- rights ---- */

enum { NOBODY = 65534 };

/* A connection of another user, with another group: credentials are those of connect(). Needs root.
 */
static void reopen_as_nobody(struct rig *rig)
{
	int r;

	client_close(&rig->c);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setegid(NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	r = client_open(&rig->c, rig->base, rig->path);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(r, 0);
}

/* The API again, under a configuration that names Debian's group of gid 65534. */
static void restart_with(struct rig *rig, char *group)
{
	struct api_config config = { .path = rig->path, .fd = -1 };
	char why[512];

	if (geteuid())
		skip();
	api_free(rig->api);
	rig->api = NULL;
	if (group)
		memcpy(group, "nogroup", sizeof("nogroup"));
	assert_int_equal(api_new(rig->base, &rig->fabric, &config, why, &rig->api), 0);
	*strrchr(rig->path, '/') = '\0';
	assert_int_equal(chmod(rig->path, 0755), 0);
	rig->path[strlen(rig->path)] = '/';
	reopen_as_nobody(rig);
}

static void who_is_in_no_group_gets_403_whatever_it_asks(void **state)
{
	struct rig *rig = *state;

	restart_with(rig, NULL);
	assert_int_equal(get(rig, "/v1/health"), 403);
	assert_string_equal(text_at(rig, "code"), "forbidden");
	assert_int_equal(get(rig, "/v1/hosts/bay1"), 403);
	assert_int_equal(get(rig, "/v1/no-such-thing"), 403);
	assert_int_equal(send_body(rig, "BREW", "/v1/hosts", "{}"), 403);
	assert_int_equal(send_body(rig, "POST", "/v1/changes", ASSIGN "}"), 403);
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", "{" BOOT ",\"seq\":1}"),
			 403);
	assert_int_equal(rig->fabric.requests, 0);
	assert_string_equal(rig->fabric.host, "");
}

static void a_reader_may_read_and_no_more(void **state)
{
	struct rig *rig = *state;

	restart_with(rig, rig->fabric.config.group_ro);
	assert_int_equal(get(rig, "/v1/functions"), 200);
	assert_int_equal(send_body(rig, "POST", "/v1/changes", ASSIGN ",\"dry_run\":true}"), 403);
	assert_int_equal(send_body(rig, "PATCH", "/v1/hosts/bay1", "{\"spare\":true}"), 403);
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", "{" BOOT ",\"seq\":1}"),
			 403);
	assert_int_equal(rig->fabric.requests, 0);
}

static void an_operator_may_change_but_not_vouch(void **state)
{
	struct rig *rig = *state;

	restart_with(rig, rig->fabric.config.group_op);
	assert_int_equal(send_body(rig, "POST", "/v1/changes", ASSIGN ",\"dry_run\":true}"), 200);
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", "{" BOOT ",\"seq\":1}"),
			 204);
	assert_int_equal(send_body(rig, "POST", "/v1/adopt", "{\"dry_run\":true}"), 403);
	assert_int_equal(send_body(rig, "POST", "/v1/hosts/bay1/fence-confirm", "{\"incident\":3}"),
			 403);
}

static void an_admin_may_all(void **state)
{
	struct rig *rig = *state;

	restart_with(rig, rig->fabric.config.group_admin);
	assert_int_equal(send_body(rig, "POST", "/v1/adopt", "{\"dry_run\":true}"), 200);
}

static void a_hosts_own_user_may_beat_for_that_host_alone(void **state)
{
	struct rig *rig = *state;

	rig->fabric.config.hosts[0].has_uid = true;
	rig->fabric.config.hosts[0].uid = NOBODY;
	memcpy(rig->fabric.config.hosts[0].name, "bay1", sizeof("bay1"));
	rig->fabric.config.host_count = 1;
	restart_with(rig, NULL);
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/bay1/heartbeat", "{" BOOT ",\"seq\":1}"),
			 204);
	assert_int_equal(
		send_body(rig, "PUT", "/v1/hosts/ch2/bay10/heartbeat", "{" BOOT ",\"seq\":1}"),
		403);
	assert_int_equal(
		send_body(rig, "PUT", "/v1/hosts/bay1/seen", SEEN "\"bay1\",\"functions\":[]}"),
		204);
	assert_int_equal(send_body(rig, "PUT", "/v1/hosts/ch2/bay10/seen",
				   SEEN "\"ch2/bay10\",\"functions\":[]}"),
			 403);
	assert_int_equal(get(rig, "/v1/hosts/bay1"), 403);
}

/* ---- the table ---- */

struct listing {
	int count;
	bool has_adopt;
};

static void note_command(void *arg, const char *request, const char *right, const char *summary)
{
	struct listing *listing = arg;

	listing->count++;
	assert_true(*summary);
	listing->has_adopt |= !strcmp(request, "POST /v1/adopt") && !strcmp(right, "admin");
}

static void commands_can_be_listed(void **state)
{
	struct listing listing = { 0 };

	(void)state;
	api_commands(note_command, &listing);
	assert_int_equal(listing.count, 34);
	assert_true(listing.has_adopt);
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 128 * 1024);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 128 * 1024 - 1, file) > 0);
	(void)fclose(file);
	return text;
}

static void note_described(void *arg, const char *request, const char *right, const char *summary)
{
	const char *yaml = arg;
	char path[64];
	const char *name = strstr(request, "/v1/") + 3;
	const char *id = strstr(name, "/ID");

	(void)right;
	(void)summary;
	(void)snprintf(path, sizeof(path), "\n  %.*s%s%s:\n",
		       (int)strcspn(name + 1, id ? "[/" : "[") + 1, name,
		       id && id[3] == '/' ? "/{id}" : "", id && id[3] == '/' ? id + 3 : "");
	if (!strstr(yaml, path))
		fail_msg("docs/openapi.yaml does not have%s", path);
}

static void every_command_is_in_the_description_for_programs(void **state)
{
	char *yaml = file_read(TEST_DATA "/../../docs/openapi.yaml");

	(void)state;
	api_commands(note_described, yaml);
	free(yaml);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(a_function_is_told_with_all_its_members),
		WITH_RIG(both_views_of_a_function_stand_side_by_side),
		WITH_RIG(where_a_function_is_may_be_unknown_or_outside),
		WITH_RIG(an_encoded_slash_names_the_same_thing),
		WITH_RIG(every_collection_has_a_list_and_objects),
		WITH_RIG(what_is_not_durable_is_not_told),
		WITH_RIG(pages_cover_a_list_once_and_in_order),
		WITH_RIG(lists_are_filtered_by_their_scalar_fields),
		WITH_RIG(queries_that_mean_nothing_are_refused_by_name),
		WITH_RIG(methods_that_do_not_stand_on_a_path_get_405_with_allow),
		WITH_RIG(what_does_not_exist_is_404),
		WITH_RIG(a_refusal_names_what_was_asked_for),
		WITH_RIG(before_every_switch_is_read_nothing_is_said_to_be_missing),
		WITH_RIG(what_comes_to_nothing_late_names_the_host),
		WITH_RIG(a_frozen_manager_says_why),
		WITH_RIG(head_is_get_without_the_body),
		WITH_RIG(a_tag_holds_until_the_object_changes),
		WITH_RIG(if_match_guards_a_change_of_the_object),
		WITH_RIG(a_change_is_accepted_once_it_is_durable),
		WITH_RIG(waiting_answers_when_the_change_ends),
		WITH_RIG(waiting_ends_with_its_time),
		WITH_RIG(an_end_is_told_only_once_it_is_durable),
		WITH_RIG(an_incident_has_ended_only_once_that_is_durable),
		WITH_RIG(who_waits_for_a_change_that_has_ended_is_answered_at_once),
		WITH_RIG(a_client_that_leaves_a_wait_is_forgotten),
		WITH_RIG(an_answer_to_one_who_has_left_finds_nobody),
		WITH_RIG(a_refused_change_names_the_field),
		WITH_RIG(a_dry_run_plans_and_stores_nothing),
		WITH_RIG(a_bad_body_changes_nothing_and_names_the_field),
		WITH_RIG(a_change_is_cancelled_by_delete),
		WITH_RIG(a_beat_is_passed_on_with_its_time),
		WITH_RIG(a_fenced_host_is_told_its_epoch),
		WITH_RIG(what_an_agent_says_is_passed_on_and_answered_by_a_line),
		WITH_RIG(what_an_agent_may_not_say_is_refused),
		WITH_RIG(bad_beats_are_refused),
		WITH_RIG(a_host_s_own_view_is_passed_on),
		WITH_RIG(a_bad_view_is_refused_with_its_place),
		WITH_RIG(a_failover_by_hand_answers_with_its_incident),
		WITH_RIG(what_a_person_does_to_a_host_reaches_the_fabric),
		WITH_RIG(a_night_is_run_again_as_it_was_and_otherwise),
		WITH_RIG(what_cannot_be_set_is_named_by_its_pointer),
		WITH_RIG(enrolling_tells_the_key_once_it_is_in_the_audit),
		WITH_RIG(a_profile_is_told_with_its_functions),
		WITH_RIG(a_profile_is_defined_and_deleted),
		WITH_RIG(a_profile_that_is_refused_names_the_function),
		WITH_RIG(a_bad_profile_reaches_nobody),
		WITH_RIG(a_drain_is_known_again_by_its_key_host_and_body),
		WITH_RIG(a_profile_goes_to_a_host_as_a_change),
		WITH_RIG(adopting_tells_what_was_taken_in),
		WITH_RIG(health_is_503_until_ready),
		WITH_RIG(what_is_not_known_yet_is_503_until_ready),
		WITH_RIG(config_lists_every_key),
		WITH_RIG(topology_and_views_are_made_of_configuration_space),
		WITH_RIG(a_large_topology_is_written_in_slices),
		WITH_RIG(a_view_that_fails_or_is_left_ends_well),
		WITH_RIG(four_views_at_once_and_no_more),
		WITH_RIG(events_come_from_now_on),
		WITH_RIG(events_resume_behind_the_last_one_seen),
		WITH_RIG(what_is_no_longer_kept_is_a_gap),
		WITH_RIG(another_incarnation_is_a_gap_and_all_that_there_is),
		WITH_RIG(events_that_are_not_durable_are_not_told),
		WITH_RIG(a_long_history_arrives_whole_at_the_clients_pace),
		WITH_RIG(who_is_in_no_group_gets_403_whatever_it_asks),
		WITH_RIG(a_reader_may_read_and_no_more),
		WITH_RIG(an_operator_may_change_but_not_vouch),
		WITH_RIG(an_admin_may_all),
		WITH_RIG(a_hosts_own_user_may_beat_for_that_host_alone),
		cmocka_unit_test(commands_can_be_listed),
		cmocka_unit_test(every_command_is_in_the_description_for_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
