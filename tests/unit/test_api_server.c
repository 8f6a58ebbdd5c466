/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "api/server.h"
#include "api_client.h"

#define HOST "Host: x\r\n"

/* A server that answers each request with its method, target and body; some targets do otherwise.
 */
struct rig {
	struct event_base *base;
	struct server *server;
	struct server_limits limits;
	enum server_right right;
	char path[64];
	struct server_conn *held;
	unsigned gone;
	unsigned drained;
	unsigned requests;
	int poke;       /* a connection that asks something once 100 requests were served */
	unsigned poked; /* how many had been served when that one was */
};

static void note_gone(void *arg)
{
	struct rig *rig = arg;

	rig->gone++;
	rig->held = NULL;
}

static void note_drained(void *arg)
{
	struct rig *rig = arg;

	rig->drained++;
}

static void answer_text(struct server_conn *c, const void *text, size_t length)
{
	server_answer(
		c, &(struct server_answer){
			   .status = 200, .type = "text/plain", .body = text, .length = length });
}

static void on_request(void *arg, struct server_conn *c, const struct server_request *rq)
{
	struct rig *rig = arg;
	OWNED(buf_done) struct buf out = { 0 };
	const char *target = rq->bytes + rq->head->target.at;
	size_t n = rq->head->target.length;

	rig->requests++;
	if (rig->requests == 100 && rig->poke > 0)
		assert_true(send(rig->poke, "GET /p HTTP/1.1\r\n" HOST "\r\n", 28, 0) == 28);
	if (n == 2 && !memcmp(target, "/p", n))
		rig->poked = rig->requests;
	if (n == 5 && !memcmp(target, "/hold", n)) {
		rig->held = c;
		server_hold(c, note_gone, rig);
	} else if (n == 7 && !memcmp(target, "/stream", n)) {
		rig->held = c;
		server_stream_start(c, "text/event-stream", note_drained, note_gone, rig);
	} else if (n == 4 && !memcmp(target, "/big", n)) {
		for (int i = 0; i < 1024 * 1024; i++)
			buf_bytes(&out, "0123456", 7);
		answer_text(c, out.data, out.length);
	} else {
		buf_printf(&out, "%s %.*s %zu:", message_method_text(rq->head->method), (int)n,
			   target, rq->body_length);
		buf_bytes(&out, rq->body, rq->body_length < 64 ? rq->body_length : 64);
		answer_text(c, out.data, out.length);
	}
}

static enum server_right on_admit(void *arg, const struct server_peer *peer)
{
	struct rig *rig = arg;

	assert_int_equal(peer->uid, getuid());
	assert_int_equal(peer->pid, getpid());
	return rig->right;
}

static void on_refused(void *arg, int refusal, const char *why, struct buf *body)
{
	(void)arg;
	buf_printf(body, "{\"code\":\"%s\",\"detail\":\"%s\"}", refusal_code(refusal), why);
}

static int start(struct rig *rig)
{
	const struct server_ops ops = { on_admit, on_request, on_refused, rig };
	char why[512];

	server_free(rig->server);
	rig->server = NULL;
	return server_new(rig->base, rig->path, -1, &rig->limits, &ops, why, &rig->server);
}

static int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char dir[] = "/tmp/test_api_server.XXXXXX";

	assert_non_null(rig);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/s", dir);
	rig->base = event_base_new();
	rig->right = SERVER_RIGHT_ADMIN;
	server_limits_init(&rig->limits);
	*state = rig;
	return start(rig);
}

static int rig_teardown(void **state)
{
	struct rig *rig = *state;

	server_free(rig->server);
	event_base_free(rig->base);
	*strrchr(rig->path, '/') = '\0';
	(void)rmdir(rig->path);
	free(rig);
	return 0;
}

static struct client open_client(struct rig *rig)
{
	struct client c;

	assert_int_equal(client_open(&c, rig->base, rig->path), 0);
	return c;
}

/* Sends, and wants that status; then nothing but a closed connection. */
static void expect_refused(struct rig *rig, const char *text, size_t length, int status,
			   const char *code)
{
	struct client c = open_client(rig);
	struct reply r = { 0 };

	client_send_bytes(&c, text, length);
	if (client_reply(&c, true, &r) != status || !strstr(r.body, code) ||
	    strcmp(reply_header(&r, "Content-Type"), "application/problem+json") != 0 ||
	    strcmp(reply_header(&r, "Connection"), "close") != 0)
		fail_msg("%.60s: %d %s", text, r.status, r.body ? r.body : "");
	assert_true(client_is_closed(&c));
	reply_done(&r);
	client_close(&c);
}

static void what_is_not_http_is_refused_as_a_problem(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *code;
	} bad[] = {
		{ "\x01\x02\x03\r\n\r\n", 400, "bad-request" },
		{ "GET\r\n\r\n", 400, "bad-request" },
		{ "GET /\r\n\r\n", 400, "bad-request" },
		{ "GET / HTTP/1.1 x\r\n" HOST "\r\n", 400, "bad-request" },
		{ "GET / http/1.1\r\n" HOST "\r\n", 400, "bad-request" },
		{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "http-version" },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version" },
		{ "GET x HTTP/1.1\r\n" HOST "\r\n", 400, "bad-request" },
		{ "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, "bad-request" },
		{ "GET /\x80 HTTP/1.1\r\n" HOST "\r\n", 400, "bad-request" },
		{ " GET / HTTP/1.1\r\n" HOST "\r\n", 400, "bad-request" },
		{ "GET / HTTP/1.1\r\n\r\n", 400, "Host" },
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "twice" },
		{ "GET / HTTP/1.1\n" HOST "\n", 400, "CR LF" },
		{ "GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400, "NAME: VALUE" },
		{ "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400, "NAME: VALUE" },
		{ "GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", 400, "control" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400, "number" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400, "number" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, "number" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
		  "twice" },
		{ "GET / HTTP/1.1\r\n" HOST
		  "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		  400, "Transfer-Encoding" },
		{ "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501,
		  "not-implemented" },
		{ "GET / HTTP/1.1\r\n" HOST "Expect: magic\r\n\r\n", 417, "expectation" },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413, "too-large" },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 413,
		  "too-large" },
		{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400,
		  "chunk" },
		{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab", 400,
		  "chunk" },
		{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413,
		  "too-large" },
		{ "POST / HTTP/1.1\r\n" HOST
		  "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
		  413, "too-large" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect_refused(*state, bad[i].text, strlen(bad[i].text), bad[i].status,
			       bad[i].code);
	expect_refused(*state, "GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 27, 400, "NUL");
}

static void heads_over_their_limits_are_refused(void **state)
{
	OWNED(buf_done) struct buf text = { 0 };

	buf_text(&text, "GET /");
	for (int i = 0; i < 9000; i++)
		buf_text(&text, "x");
	expect_refused(*state, (const char *)text.data, text.length, 414, "target-too-long");
	buf_text(&text, " HTTP/1.1\r\n" HOST "\r\n");
	expect_refused(*state, (const char *)text.data, text.length, 414, "target-too-long");
	text.length = 0;
	buf_text(&text, "GET / HTTP/1.1\r\n" HOST "X: ");
	for (int i = 0; i < 20000; i++)
		buf_text(&text, "x");
	expect_refused(*state, (const char *)text.data, text.length, 431, "headers-too-large");
	text.length = 0;
	buf_text(&text, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 70; i++)
		buf_text(&text, "X: y\r\n");
	buf_text(&text, "\r\n");
	expect_refused(*state, (const char *)text.data, text.length, 431, "64 headers");
}

static void a_body_over_1_mib_is_refused_while_it_is_being_sent(void **state)
{
	OWNED(buf_done) struct buf text = { 0 };

	buf_text(&text, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
	for (int i = 0; i < 300000; i++)
		buf_text(&text, "0123456789");
	expect_refused(*state, (const char *)text.data, text.length, 413, "too-large");
	text.length = 0;
	buf_text(&text, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		buf_text(&text, "10000\r\n");
		for (int k = 0; k < 0x10000; k++)
			buf_text(&text, "z");
		buf_text(&text, "\r\n");
	}
	expect_refused(*state, (const char *)text.data, text.length, 413, "too-large");
}

static void a_body_of_1_mib_arrives_whole(void **state)
{
	struct client c = open_client(*state);
	OWNED(buf_done) struct buf text = { 0 };
	struct reply r = { 0 };

	buf_text(&text, "PUT /b HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
	for (int i = 0; i < 1048576 / 4; i++)
		buf_text(&text, "abcd");
	client_send_bytes(&c, (const char *)text.data, text.length);

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_non_null(strstr(r.body, "PUT /b 1048576:abcdabcd"));
	reply_done(&r);
	client_close(&c);
}

static void chunks_are_joined_however_they_are_cut(void **state)
{
	static const char text[] = "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
				   "4;x=\"y\"\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: 1\r\n\r\n";
	struct client c = open_client(*state);
	struct reply r = { 0 };

	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		client_send_bytes(&c, text, cut);
		client_turn(c.base);
		client_send_bytes(&c, text + cut, sizeof(text) - 1 - cut);

		assert_int_equal(client_reply(&c, true, &r), 200);
		assert_string_equal(r.body, "POST /c 9:Wikipedia");
	}
	reply_done(&r);
	client_close(&c);
}

static void bytes_that_drip_in_make_a_request(void **state)
{
	static const char text[] = "\r\nPOST /d HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi";
	struct client c = open_client(*state);
	struct reply r = { 0 };

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		client_send_bytes(&c, text + i, 1);
		client_turn(c.base);
	}

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "POST /d 2:hi");
	reply_done(&r);
	client_close(&c);
}

static void head_has_a_length_but_no_body_and_keeps_the_connection(void **state)
{
	struct client c = open_client(*state);
	struct reply r = { 0 };

	client_send(&c, "HEAD /h HTTP/1.1\r\n" HOST "\r\nGET /h HTTP/1.1\r\n" HOST "\r\n");

	assert_int_equal(client_reply(&c, false, &r), 200);
	assert_string_equal(reply_header(&r, "Content-Length"), "10");
	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "GET /h 0:");
	reply_done(&r);
	client_close(&c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	enum { MANY = 2000 };
	struct client c = open_client(*state);
	OWNED(buf_done) struct buf text = { 0 };
	struct reply r = { 0 };
	char want[32];

	for (int i = 0; i < MANY; i++)
		buf_printf(&text, "POST /%d HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", i);
	client_send_bytes(&c, (const char *)text.data, text.length);

	for (int i = 0; i < MANY; i++) {
		assert_int_equal(client_reply(&c, true, &r), 200);
		(void)snprintf(want, sizeof(want), "POST /%d 3:abc", i);
		assert_string_equal(r.body, want);
	}
	reply_done(&r);
	client_close(&c);
}

static void one_who_pipelines_without_end_does_not_keep_others_waiting(void **state)
{
	enum { MANY = 3000 };
	struct rig *rig = *state;
	struct client greedy = open_client(rig);
	struct client c = open_client(rig);
	OWNED(buf_done) struct buf text = { 0 };
	struct reply r = { 0 };

	for (int i = 0; i < MANY; i++)
		buf_text(&text, "GET /g HTTP/1.1\r\n" HOST "\r\n");
	rig->poke = c.fd;
	client_send_bytes(&greedy, (const char *)text.data, text.length);

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_in_range(rig->poked, 100, 400);
	reply_done(&r);
	client_close(&c);
	client_close(&greedy);
}

static void large_answers_to_pipelined_requests_wait_for_the_client(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);
	struct reply r = { 0 };

	for (int i = 0; i < 4; i++)
		client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 10; i++)
		client_turn(rig->base);
	assert_int_equal(rig->requests, 1);

	for (int i = 0; i < 4; i++) {
		assert_int_equal(client_reply(&c, true, &r), 200);
		assert_int_equal(r.length, 7 * 1024 * 1024);
	}
	reply_done(&r);
	client_close(&c);
}

static void expect_continue_is_answered_before_the_body(void **state)
{
	struct client c = open_client(*state);
	struct reply r = { 0 };

	client_send(&c,
		    "PUT /e HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(client_reply(&c, false, &r), 100);
	client_send(&c, "ok");

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "PUT /e 2:ok");
	reply_done(&r);
	client_close(&c);
}

static void http_10_closes_unless_it_asks_to_be_kept(void **state)
{
	struct client c = open_client(*state);
	struct reply r = { 0 };

	client_send(&c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(reply_header(&r, "Connection"), "keep-alive");
	client_send(&c, "GET / HTTP/1.0\r\n\r\n");

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(reply_header(&r, "Connection"), "close");
	assert_true(client_is_closed(&c));
	reply_done(&r);
	client_close(&c);
}

static void an_absolute_target_and_unknown_methods_are_taken(void **state)
{
	struct client c = open_client(*state);
	struct reply r = { 0 };

	client_send(&c, "BREW http://pot.example/coffee HTTP/1.1\r\n" HOST "\r\n");

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "other /coffee 0:");
	reply_done(&r);
	client_close(&c);
}

static void a_request_that_is_not_whole_in_time_gets_408(void **state)
{
	struct rig *rig = *state;
	struct client c;
	struct reply r = { 0 };

	rig->limits.request_ms = 40;
	assert_int_equal(start(rig), 0);
	c = open_client(rig);
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");

	assert_int_equal(client_reply(&c, true, &r), 408);
	assert_true(client_is_closed(&c));
	reply_done(&r);
	client_close(&c);
}

static void silence_ends_a_connection_without_a_word(void **state)
{
	struct rig *rig = *state;
	struct client c;
	struct reply r = { 0 };

	rig->limits.idle_ms = 40;
	assert_int_equal(start(rig), 0);
	c = open_client(rig);
	client_send(&c, "GET / HTTP/1.1\r\n" HOST "\r\n");

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_true(client_is_closed(&c));
	assert_int_equal(server_connections(rig->server), 0);
	reply_done(&r);
	client_close(&c);
}

static void who_does_not_take_the_answer_is_dropped(void **state)
{
	struct rig *rig = *state;
	struct client c;
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	rig->limits.write_ms = 40;
	assert_int_equal(start(rig), 0);
	c = open_client(rig);
	client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->requests)
		client_turn(rig->base);

	while (server_connections(rig->server) && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_int_equal(server_connections(rig->server), 0);
	client_close(&c);
}

static void an_answer_may_come_later(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);
	struct reply r = { 0 };

	client_send(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /next HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->held)
		client_turn(rig->base);
	client_turn(rig->base);
	assert_int_equal(rig->requests, 1);
	answer_text(rig->held, "late", 4);

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "late");
	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(r.body, "GET /next 0:");
	assert_int_equal(rig->gone, 0);
	reply_done(&r);
	client_close(&c);
}

static void a_client_that_leaves_while_it_waits_is_noticed(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	client_send(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->held)
		client_turn(rig->base);
	client_close(&c);

	while (!rig->gone && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_int_equal(rig->gone, 1);
	assert_int_equal(server_connections(rig->server), 0);
}

static void a_client_that_only_stops_sending_gets_its_answer(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);
	struct reply r = { 0 };

	client_send(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->held)
		client_turn(rig->base);
	(void)shutdown(c.fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		client_turn(rig->base);
	assert_int_equal(rig->gone, 0);
	answer_text(rig->held, "late", 4);

	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_true(client_is_closed(&c));
	reply_done(&r);
	client_close(&c);
}

static void what_waits_when_the_server_ends_is_told(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);

	client_send(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->held)
		client_turn(rig->base);
	server_free(rig->server);
	rig->server = NULL;

	assert_int_equal(rig->gone, 1);
	assert_true(client_is_closed(&c));
	client_close(&c);
}

static void a_stream_goes_on_until_the_client_leaves(void **state)
{
	struct rig *rig = *state;
	struct client c = open_client(rig);
	struct reply r = { 0 };

	client_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(client_reply(&c, true, &r), 200);
	assert_string_equal(reply_header(&r, "Content-Type"), "text/event-stream");
	assert_int_equal(rig->drained, 1);
	server_stream_write(rig->held, "data: 1\n\n", 9);
	while (c.in.length < 9)
		(void)client_read(&c);
	assert_memory_equal(c.in.data, "data: 1\n\n", 9);
	client_close(&c);

	while (!rig->gone)
		client_turn(rig->base);
	assert_int_equal(server_connections(rig->server), 0);
	reply_done(&r);
}

static void a_stream_that_nobody_reads_is_dropped(void **state)
{
	static const char bytes[4096];
	struct rig *rig = *state;
	struct client c;
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	rig->limits.write_ms = 40;
	assert_int_equal(start(rig), 0);
	c = open_client(rig);
	client_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
	while (!rig->held)
		client_turn(rig->base);
	while (rig->held && server_stream_waiting(rig->held) < 65536)
		server_stream_write(rig->held, bytes, sizeof(bytes));

	while (!rig->gone && clock_boot_ms() < until_ms)
		client_turn(rig->base);
	assert_int_equal(rig->gone, 1);
	client_close(&c);
}

static void a_user_has_so_many_connections_and_no_more(void **state)
{
	enum { MANY = 8 };
	struct rig *rig = *state;
	struct client c[MANY + 1];
	struct reply r = { 0 };

	rig->right = SERVER_RIGHT_OPERATE;
	rig->limits.connections_uid = MANY;
	assert_int_equal(start(rig), 0);
	for (int i = 0; i <= MANY; i++)
		c[i] = open_client(rig);
	assert_int_equal(client_reply(&c[MANY], true, &r), 503);
	assert_string_equal(reply_header(&r, "Content-Type"), "application/problem+json");
	client_close(&c[MANY]);
	client_close(&c[0]);
	while (server_connections(rig->server) == MANY)
		client_turn(rig->base);

	c[0] = open_client(rig);
	client_send(&c[0], "GET /in HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(client_reply(&c[0], true, &r), 200);
	for (int i = 0; i < MANY; i++)
		client_close(&c[i]);
	reply_done(&r);
}

static void few_open_files_mean_few_connections(void **state)
{
	struct rig *rig = *state;
	struct client c[41];
	struct reply r = { 0 };
	struct rlimit before;
	struct rlimit few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 80; /* half of them for connections */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(start(rig), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < 41; i++)
		c[i] = open_client(rig);

	assert_int_equal(client_reply(&c[40], true, &r), 503);
	assert_int_equal(server_connections(rig->server), 40);
	for (int i = 0; i < 41; i++)
		client_close(&c[i]);
	reply_done(&r);
}

static void strangers_share_few_connections(void **state)
{
	struct rig *rig = *state;
	struct client c[3];
	struct reply r = { 0 };

	rig->right = SERVER_RIGHT_NONE;
	rig->limits.connections_stranger = 2;
	assert_int_equal(start(rig), 0);
	for (int i = 0; i < 3; i++)
		c[i] = open_client(rig);

	assert_int_equal(client_reply(&c[2], true, &r), 503);
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	reply_done(&r);
}

static void many_connections_are_served_at_once(void **state)
{
	enum { MANY = 400 };
	struct rig *rig = *state;
	struct client *c = calloc(MANY, sizeof(*c));
	struct reply r = { 0 };

	assert_non_null(c);
	for (int i = 0; i < MANY; i++) {
		c[i] = open_client(rig);
		if (i % 100 == 99) /* the backlog is finite */
			client_turn(rig->base);
	}
	for (int i = 0; i < MANY; i++)
		client_send(&c[i], "GET /m HTTP/1.1\r\n" HOST "\r\n");

	for (int i = 0; i < MANY; i++)
		assert_int_equal(client_reply(&c[i], true, &r), 200);
	assert_int_equal(server_connections(rig->server), MANY);
	for (int i = 0; i < MANY; i++)
		client_close(&c[i]);
	reply_done(&r);
	free(c);
}

static void a_socket_left_behind_is_taken_over_and_a_live_one_is_not(void **state)
{
	struct rig *rig = *state;
	const struct server_ops ops = { on_admit, on_request, on_refused, rig };
	struct server *second = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char why[512];
	int fd;

	assert_int_equal(server_new(rig->base, rig->path, -1, &rig->limits, &ops, why, &second),
			 -EADDRINUSE);
	assert_non_null(strstr(why, "another program"));
	server_free(rig->server);
	rig->server = NULL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);

	assert_int_equal(start(rig), 0);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(what_is_not_http_is_refused_as_a_problem),
		WITH_RIG(heads_over_their_limits_are_refused),
		WITH_RIG(a_body_over_1_mib_is_refused_while_it_is_being_sent),
		WITH_RIG(a_body_of_1_mib_arrives_whole),
		WITH_RIG(chunks_are_joined_however_they_are_cut),
		WITH_RIG(bytes_that_drip_in_make_a_request),
		WITH_RIG(head_has_a_length_but_no_body_and_keeps_the_connection),
		WITH_RIG(pipelined_requests_are_answered_in_order),
		WITH_RIG(one_who_pipelines_without_end_does_not_keep_others_waiting),
		WITH_RIG(large_answers_to_pipelined_requests_wait_for_the_client),
		WITH_RIG(expect_continue_is_answered_before_the_body),
		WITH_RIG(http_10_closes_unless_it_asks_to_be_kept),
		WITH_RIG(an_absolute_target_and_unknown_methods_are_taken),
		WITH_RIG(a_request_that_is_not_whole_in_time_gets_408),
		WITH_RIG(silence_ends_a_connection_without_a_word),
		WITH_RIG(who_does_not_take_the_answer_is_dropped),
		WITH_RIG(an_answer_may_come_later),
		WITH_RIG(a_client_that_leaves_while_it_waits_is_noticed),
		WITH_RIG(a_client_that_only_stops_sending_gets_its_answer),
		WITH_RIG(what_waits_when_the_server_ends_is_told),
		WITH_RIG(a_stream_goes_on_until_the_client_leaves),
		WITH_RIG(a_stream_that_nobody_reads_is_dropped),
		WITH_RIG(a_user_has_so_many_connections_and_no_more),
		WITH_RIG(few_open_files_mean_few_connections),
		WITH_RIG(strangers_share_few_connections),
		WITH_RIG(many_connections_are_served_at_once),
		WITH_RIG(a_socket_left_behind_is_taken_over_and_a_live_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
