/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server, client and control over real sockets, with a small provider behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "provider/client.h"
#include "provider/server.h"
#include "provider/wire.h"

enum { OPS_MAX = 4096, LOG_MAX = 4096, PATIENCE_S = 20 };

/* A provider that carries out each operation at its next advance(), unless it is told to hold. */
struct model {
	struct provider provider;
	struct provider_sink sink;
	struct provider_op ops[OPS_MAX];
	size_t taken;
	size_t done;
	bool hold;
	bool scan_asked;
	bool scan_hold;
	size_t functions; /* in its scans */
	size_t scans;
	const char *scan_fails;
	size_t view_functions; /* for each view; full of ones */
	struct {
		uint64_t cookie;
		uint16_t host;
	} views[OPS_MAX];
	size_t views_taken;
	size_t views_done;
	int submit_answer;
};

static struct model *model_of(const struct provider *p)
{
	return (struct model *)p;
}

static int model_submit(struct provider *p, const struct provider_op *op)
{
	struct model *m = model_of(p);

	if (m->submit_answer)
		return m->submit_answer;
	assert_true(m->taken < OPS_MAX);
	m->ops[m->taken++] = *op;
	return 0;
}

static int model_scan(struct provider *p)
{
	model_of(p)->scan_asked = true;
	return 0;
}

static int model_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct model *m = model_of(p);

	assert_true(m->views_taken < OPS_MAX);
	m->views[m->views_taken].host = host;
	m->views[m->views_taken++].cookie = cookie;
	return 0;
}

static struct provider_scan *model_scan_new(size_t functions)
{
	struct provider_scan *scan = calloc(1, sizeof(*scan));

	scan->switches = calloc(1, sizeof(scan->switches[0]));
	scan->ports = calloc(1, sizeof(scan->ports[0]));
	scan->adapters = calloc(1, sizeof(scan->adapters[0]));
	scan->functions = calloc(functions, sizeof(scan->functions[0]));
	scan->switch_count = scan->port_count = scan->adapter_count = 1;
	scan->function_count = functions;
	scan->switches[0] = (struct provider_switch){ .handle = 1, .chassis = 1, .name = "sw0" };
	scan->ports[0] = (struct provider_port){ .switch_handle = 1,
						 .role = PROVIDER_PORT_DOWNSTREAM,
						 .adapter = 1 };
	scan->adapters[0] = (struct provider_adapter){ .handle = 1,
						       .switch_handle = 1,
						       .first_function = 1,
						       .function_count = (uint32_t)functions };
	for (size_t i = 0; i < functions; i++)
		scan->functions[i] = (struct provider_function){
			.handle = (uint32_t)(i + 1),
			.adapter = 1,
			.buses = 1,
			.now = { .function = (uint32_t)(i + 1), .present = true },
		};
	return scan;
}

static void model_answer(struct model *m, const struct provider_op *op)
{
	static struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion done = { .attempt = op->attempt, .bindings = bindings };

	if (op->verb == PROVIDER_READ) {
		done.binding_count = op->value;
		for (uint32_t i = 0; i < op->value; i++)
			bindings[i] = (struct provider_binding){ .function = op->function + i,
								 .host = 1,
								 .vport = 1,
								 .generation = op->generation };
	} else if (op->verb == PROVIDER_READ_HOST) {
		done.binding_count = PROVIDER_VPORTS_MAX;
		done.host = (struct provider_host_state){ .host = op->host, .link = true };
		for (uint16_t i = 0; i < PROVIDER_VPORTS_MAX; i++)
			bindings[i] = (struct provider_binding){ .function = i + 1,
								 .host = op->host,
								 .vport = (uint16_t)(i + 1) };
	} else if (op->verb == PROVIDER_RESET) {
		done.outcome = PROVIDER_REFUSED;
		done.why = PROVIDER_WHY_BLAST;
		(void)snprintf(done.text, sizeof(done.text), "function %u", op->function);
	}
	m->sink.completed(m->sink.arg, &done);
}

static void model_view_answer(struct model *m, uint64_t cookie, uint16_t host)
{
	static uint8_t bytes[PROVIDER_CONFIG_BYTES];
	struct provider_config config = { .domain = host,
					  .bytes = bytes,
					  .length = PROVIDER_CONFIG_BYTES };

	memset(bytes, 0xff, sizeof(bytes));
	for (size_t i = 0; i < m->view_functions; i++) {
		config.bus = (uint8_t)i;
		m->sink.viewed(m->sink.arg, cookie, &config, NULL);
	}
	m->sink.viewed(m->sink.arg, cookie, NULL, "");
}

static void model_advance(struct provider *p, uint64_t now_ms)
{
	struct model *m = model_of(p);

	(void)now_ms;
	while (!m->hold && m->done < m->taken)
		model_answer(m, &m->ops[m->done++]);
	if (m->scan_asked && !m->scan_hold) {
		m->scan_asked = false;
		m->scans++;
		if (m->scan_fails)
			m->sink.scanned_take(m->sink.arg, NULL, m->scan_fails);
		else
			m->sink.scanned_take(m->sink.arg, model_scan_new(m->functions), NULL);
	}
	while (!m->hold && m->views_done < m->views_taken) {
		model_view_answer(m, m->views[m->views_done].cookie, m->views[m->views_done].host);
		m->views_done++;
	}
}

static uint64_t model_next_ms(const struct provider *p)
{
	(void)p;
	return UINT64_MAX;
}

static const struct provider_ops model_ops = {
	.name = "test",
	.submit = model_submit,
	.scan = model_scan,
	.view = model_view,
	.advance = model_advance,
	.next_ms = model_next_ms,
};

/* What a manager hears. */
struct ears {
	struct {
		uint64_t attempt;
		enum provider_outcome outcome;
		enum provider_why why;
		size_t bindings;
		uint32_t last_function;
		char text[PROVIDER_TEXT_MAX];
	} done[LOG_MAX];
	size_t done_count;
	enum provider_state states[LOG_MAX];
	size_t state_count;
	struct provider_hello hello;
	struct provider_event event;
	size_t events;
	size_t scans;
	size_t scan_functions;
	char scan_why[PROVIDER_TEXT_MAX];
	size_t done_before_scan;
	size_t configs;
	uint32_t view_domain;
	uint64_t view_cookie;
	size_t views;
	char view_why[PROVIDER_TEXT_MAX];
};

static void hear_completed(void *arg, const struct provider_completion *done)
{
	struct ears *e = arg;

	assert_true(e->done_count < LOG_MAX);
	e->done[e->done_count].attempt = done->attempt;
	e->done[e->done_count].outcome = done->outcome;
	e->done[e->done_count].why = done->why;
	e->done[e->done_count].bindings = done->binding_count;
	if (done->binding_count)
		e->done[e->done_count].last_function =
			done->bindings[done->binding_count - 1].function;
	memcpy(e->done[e->done_count].text, done->text, PROVIDER_TEXT_MAX);
	e->done_count++;
}

static void hear_scanned(void *arg, struct provider_scan *scan, const char *why)
{
	struct ears *e = arg;

	e->scans++;
	e->scan_functions = scan ? scan->function_count : 0;
	(void)snprintf(e->scan_why, sizeof(e->scan_why), "%s", why ? why : "");
	e->done_before_scan = e->done_count;
	provider_scan_free(scan);
}

static void hear_told(void *arg, const struct provider_event *event)
{
	struct ears *e = arg;

	e->event = *event;
	e->events++;
}

static void hear_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct ears *e = arg;

	assert_true(e->state_count < LOG_MAX);
	e->states[e->state_count++] = state;
	assert_int_equal(hello != NULL, state == PROVIDER_READY || state == PROVIDER_SLOW);
	if (hello)
		e->hello = *hello;
}

static void hear_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
			const char *why)
{
	struct ears *e = arg;

	e->view_cookie = cookie;
	if (config) {
		e->configs++;
		e->view_domain = config->domain;
		return;
	}
	e->views++;
	(void)snprintf(e->view_why, sizeof(e->view_why), "%s", why);
}

struct rig {
	struct event_base *base;
	char folder[64];
	char path[100];
	struct provider_server *server;
	struct model model;
	struct ears ears;
	struct ears other;
	struct provider *client;
	struct provider *second;
	int manager_here; /* +1 each time one comes, -1 when it goes */
	size_t manager_came;
	char request[64];
	size_t request_length;
	struct event *patience;
};

static int rig_control(void *arg, const char *request, size_t length, struct buf *answer)
{
	struct rig *rig = arg;

	assert_int_equal(request[length], '\0');
	rig->request_length = length;
	(void)snprintf(rig->request, sizeof(rig->request), "%s", request);
	if (!strcmp(request, "refuse")) {
		buf_text(answer, "no such fault");
		return 1;
	}
	if (!strcmp(request, "fail"))
		return -EIO;
	if (!strcmp(request, "release"))
		rig->model.hold = false;
	for (size_t i = !strcmp(request, "large") ? WIRE_CONTROL_MAX : 3; i; i--)
		buf_u8(answer, 'x');
	return 0;
}

static void rig_manager(void *arg, bool here)
{
	struct rig *rig = arg;

	rig->manager_here += here ? 1 : -1;
	rig->manager_came += here;
}

static const struct provider_hello model_hello = {
	.name = "test 1",
	.boot_id = "boot-1",
	.can = PROVIDER_CAN_WRITE | PROVIDER_CAN_BARRIER,
	.timeout_ms = 1000,
	.depth = 64,
};

static void server_start(struct rig *rig)
{
	const struct provider_server_user user = { .control = rig_control,
						   .manager = rig_manager,
						   .arg = rig };

	assert_int_equal(provider_server_new(rig->base, rig->path, &user, &rig->server), 0);
	rig->model.provider.ops = &model_ops;
	rig->model.sink = provider_server_sink(rig->server);
	provider_server_attach(rig->server, &rig->model.provider, &model_hello);
}

static void server_stop(struct rig *rig)
{
	provider_server_free(rig->server);
	rig->server = NULL;
}

static struct provider *client_open(struct rig *rig, struct ears *ears)
{
	const struct provider_sink sink = {
		.completed = hear_completed,
		.scanned_take = hear_scanned,
		.told = hear_told,
		.state = hear_state,
		.viewed = hear_viewed,
		.arg = ears,
	};
	struct provider *p;

	assert_int_equal(provider_client_open(rig->base, "p0", rig->path, &sink, &p), 0);
	return p;
}

static void patience_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("%d s went by", PATIENCE_S);
}

#define UNTIL(rig, condition)                                              \
	do {                                                               \
		const struct timeval patience_ = { .tv_sec = PATIENCE_S }; \
		(void)event_add((rig)->patience, &patience_);              \
		while (!(condition))                                       \
			(void)event_base_loop((rig)->base, EVLOOP_ONCE);   \
		(void)event_del((rig)->patience);                          \
	} while (0)

static enum provider_state state_of(const struct ears *ears)
{
	return ears->state_count ? ears->states[ears->state_count - 1] : PROVIDER_LOST;
}

static int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct event_config *config = event_config_new();

	(void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	rig->base = event_base_new_with_config(config);
	event_config_free(config);
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/socket", rig->folder);
	rig->patience = evtimer_new(rig->base, patience_over, NULL);
	rig->model.functions = 10;
	*state = rig;
	return 0;
}

static int rig_setup_connected(void **state)
{
	struct rig *rig;

	(void)rig_setup(state);
	rig = *state;
	server_start(rig);
	rig->client = client_open(rig, &rig->ears);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
	return 0;
}

static int rig_teardown(void **state)
{
	struct rig *rig = *state;

	provider_server_free(rig->server);
	if (rig->client)
		rig->client->ops->close(rig->client);
	if (rig->second)
		rig->second->ops->close(rig->second);
	event_free(rig->patience);
	event_base_free(rig->base);
	(void)unlink(rig->path);
	(void)rmdir(rig->folder);
	free(rig);
	return 0;
}

static void submit(struct rig *rig, uint64_t attempt, enum provider_verb verb, uint32_t value)
{
	const struct provider_op op = { .attempt = attempt,
					.verb = verb,
					.function = 1,
					.host = 1,
					.vport = 1,
					.generation = 1,
					.value = value,
					.deadline_ms = clock_boot_ms() + 60000 };

	assert_int_equal(rig->client->ops->submit(rig->client, &op), 0);
}

static void a_provider_does_not_die_of_whom_it_writes_to(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(close(ends[1]), 0);
}

static void operations_pass_in_order_and_completions_return(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 1000; i++)
		submit(rig, i, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->ears.done_count == 1000);

	for (uint64_t i = 1; i <= 1000; i++) {
		assert_int_equal(rig->model.ops[i - 1].attempt, i);
		assert_int_equal(rig->ears.done[i - 1].attempt, i);
		assert_int_equal(rig->ears.done[i - 1].outcome, PROVIDER_DONE);
	}
	assert_true(rig->model.ops[0].deadline_ms <= clock_boot_ms() + 60000);
	assert_int_equal(rig->client->ops->next_ms(rig->client), UINT64_MAX);
	assert_string_equal(provider_client_why(rig->client), "");
}

static void what_the_switch_says_arrives_whole(void **state)
{
	struct rig *rig = *state;

	submit(rig, 1, PROVIDER_READ, PROVIDER_READ_MAX);
	submit(rig, 2, PROVIDER_READ_HOST, 0);
	submit(rig, 3, PROVIDER_RESET, 0);
	UNTIL(rig, rig->ears.done_count == 3);

	assert_int_equal(rig->ears.done[0].bindings, PROVIDER_READ_MAX);
	assert_int_equal(rig->ears.done[0].last_function, PROVIDER_READ_MAX);
	assert_int_equal(rig->ears.done[1].bindings, PROVIDER_VPORTS_MAX);
	assert_int_equal(rig->ears.done[2].outcome, PROVIDER_REFUSED);
	assert_int_equal(rig->ears.done[2].why, PROVIDER_WHY_BLAST);
	assert_string_equal(rig->ears.done[2].text, "function 1");
}

static void a_client_that_is_there_first_connects_when_the_server_comes(void **state)
{
	struct rig *rig = *state;

	rig->client = client_open(rig, &rig->ears);
	assert_int_equal(rig->ears.state_count, 0); /* not from within open */
	UNTIL(rig, provider_client_why(rig->client)[0]);
	assert_string_equal(provider_client_why(rig->client), "No such file or directory");
	assert_int_equal(rig->ears.state_count, 1);
	assert_int_equal(rig->ears.states[0], PROVIDER_CONNECTING);
	const struct provider_op op = { .attempt = 1, .verb = PROVIDER_RESET, .function = 1 };
	assert_int_equal(rig->client->ops->submit(rig->client, &op), -ENOTCONN);
	assert_int_equal(rig->client->ops->scan(rig->client), -ENOTCONN);
	assert_int_equal(rig->client->ops->view(rig->client, 0, 0), -ENOTCONN);
	server_start(rig);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
	assert_memory_equal(&rig->ears.hello, &model_hello, sizeof(model_hello));
}

static void loss_ends_all_that_is_under_way_and_then_it_connects_again(void **state)
{
	struct rig *rig = *state;

	rig->model.hold = true;
	rig->model.scan_hold = true;
	submit(rig, 1, PROVIDER_UNBIND, 0);
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	assert_int_equal(rig->client->ops->view(rig->client, 3, 99), 0);
	UNTIL(rig, rig->model.taken == 1 && rig->model.scan_asked && rig->model.views_taken);

	server_stop(rig);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_LOST);
	assert_int_equal(rig->ears.done_count, 1);
	assert_int_equal(rig->ears.done[0].outcome, PROVIDER_UNKNOWN);
	assert_int_equal(rig->ears.scans, 1);
	assert_string_equal(rig->ears.scan_why, "the provider was lost");
	assert_int_equal(rig->ears.views, 1);
	assert_int_equal(rig->ears.view_cookie, 99);
	assert_string_equal(rig->ears.view_why, "the provider was lost");

	memset(&rig->model, 0, sizeof(rig->model));
	server_start(rig);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
	submit(rig, 2, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->ears.done_count == 2);
	assert_int_equal(rig->ears.done[1].attempt, 2);
}

static void what_was_accepted_is_carried_out_after_the_manager_has_gone(void **state)
{
	struct rig *rig = *state;

	rig->model.hold = true;
	for (uint64_t i = 1; i <= 5; i++)
		submit(rig, i, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->model.taken == 5);
	rig->client->ops->close(rig->client);
	rig->client = NULL;
	UNTIL(rig, !rig->manager_here);
	assert_int_equal(rig->model.done, 0);
	rig->model.hold = false;
	provider_server_kick(rig->server);
	assert_int_equal(rig->model.done, 5);
}

static void what_was_sent_before_the_manager_died_is_still_taken(void **state)
{
	struct rig *rig = *state;

	submit(rig, 1, PROVIDER_UNBIND, 0);
	(void)event_base_loop(rig->base, EVLOOP_NONBLOCK); /* written, perhaps read */
	rig->client->ops->close(rig->client);
	rig->client = NULL;
	UNTIL(rig, !rig->manager_here);
	assert_int_equal(rig->model.taken, 1);
}

static void a_second_manager_is_refused_with_the_reason_until_the_first_goes(void **state)
{
	struct rig *rig = *state;

	rig->second = client_open(rig, &rig->other);
	UNTIL(rig, !strcmp(provider_client_why(rig->second), "another manager is connected"));
	assert_int_equal(state_of(&rig->other), PROVIDER_CONNECTING);
	assert_string_equal(rig->second->ops->why(rig->second), "another manager is connected");
	assert_string_equal(rig->client->ops->why(rig->client), "");
	assert_int_equal(rig->manager_came, 1);
	submit(rig, 1, PROVIDER_UNBIND, 0); /* the first is not disturbed */
	UNTIL(rig, rig->ears.done_count == 1);

	rig->client->ops->close(rig->client);
	rig->client = NULL;
	UNTIL(rig, state_of(&rig->other) == PROVIDER_READY);
}

static void s19_an_answer_after_the_deadline_counts_for_nothing(void **state)
{
	struct rig *rig = *state;
	uint64_t deadline_ms;

	rig->model.hold = true;
	submit(rig, 1, PROVIDER_UNBIND, 0);
	submit(rig, 2, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->model.taken == 2);
	deadline_ms = rig->client->ops->next_ms(rig->client);
	assert_true(deadline_ms > clock_boot_ms() && deadline_ms <= clock_boot_ms() + 60000);
	rig->client->ops->advance(rig->client, deadline_ms - 1);
	assert_int_equal(rig->ears.done_count, 0);
	rig->client->ops->advance(rig->client, deadline_ms + 1000);
	assert_int_equal(rig->ears.done_count, 2);
	assert_int_equal(rig->ears.done[0].outcome, PROVIDER_UNKNOWN);
	assert_int_equal(state_of(&rig->ears), PROVIDER_SLOW);

	rig->model.hold = false;
	submit(rig, 3, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->ears.done_count == 3);
	assert_int_equal(rig->ears.done[2].attempt, 3);
	assert_int_equal(rig->model.done, 3);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
}

static void a_scan_of_65536_functions_holds_up_no_completion(void **state)
{
	struct rig *rig = *state;

	rig->model.functions = PROVIDER_FUNCTIONS_MAX;
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	assert_int_equal(rig->client->ops->scan(rig->client), 0); /* joined */
	UNTIL(rig, rig->model.scans == 1);
	submit(rig, 1, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->ears.scans == 1);
	assert_int_equal(rig->ears.scan_functions, PROVIDER_FUNCTIONS_MAX);
	assert_int_equal(rig->ears.done_before_scan, 1);
	assert_int_equal(rig->model.scans, 1);
}

static void a_scan_asked_for_while_one_arrives_gets_one_of_its_own(void **state)
{
	struct rig *rig = *state;

	rig->model.functions = PROVIDER_FUNCTIONS_MAX;
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	UNTIL(rig, rig->model.scans == 1);
	/* its beginning arrives; what it shows is older than what is asked for now */
	submit(rig, 1, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->ears.done_count == 1);
	assert_int_equal(rig->ears.scans, 0);
	rig->model.functions = 20;
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	UNTIL(rig, rig->ears.scans == 2);
	assert_int_equal(rig->ears.scan_functions, 20);
	assert_int_equal(rig->model.scans, 2);
}

static void a_scan_that_a_reboot_made_stale_is_taken_again(void **state)
{
	struct rig *rig = *state;
	const struct provider_event reboot = { .kind = PROVIDER_EVENT_REBOOT, .boot_id = "boot-2" };

	rig->model.functions = PROVIDER_FUNCTIONS_MAX;
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	UNTIL(rig, rig->model.scans == 1);
	rig->model.functions = 20;
	rig->model.sink.told(rig->model.sink.arg, &reboot);
	UNTIL(rig, rig->ears.events == 1);
	assert_int_equal(rig->ears.scans, 0);
	assert_int_equal(rig->client->ops->scan(rig->client), 0); /* as its user does */
	UNTIL(rig, rig->ears.scans == 1);
	assert_int_equal(rig->ears.scan_functions, 20);
	assert_int_equal(rig->model.scans, 2);
}

static void a_scan_that_fails_says_why(void **state)
{
	struct rig *rig = *state;

	rig->model.scan_fails = "the switch does not answer";
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	UNTIL(rig, rig->ears.scans == 1);
	assert_string_equal(rig->ears.scan_why, "the switch does not answer");
}

static void a_scan_for_a_manager_that_is_gone_goes_nowhere(void **state)
{
	struct rig *rig = *state;

	rig->model.scan_hold = true;
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	UNTIL(rig, rig->model.scan_asked);
	rig->client->ops->close(rig->client);
	rig->client = client_open(rig, &rig->other);
	UNTIL(rig, state_of(&rig->other) == PROVIDER_READY);
	assert_int_equal(rig->client->ops->scan(rig->client), 0);
	submit(rig, 1, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->other.done_count == 1);
	rig->model.scan_hold = false;
	rig->model.functions = 30;
	provider_server_kick(rig->server);
	UNTIL(rig, rig->other.scans == 1);
	assert_int_equal(rig->other.scan_functions, 30);
	assert_int_equal(rig->model.scans, 2); /* one for each of them */
	assert_int_equal(rig->ears.scans, 0);
}

static void a_view_shows_each_function_and_then_ends(void **state)
{
	struct rig *rig = *state;

	rig->model.view_functions = 200;
	assert_int_equal(rig->client->ops->view(rig->client, 7, 0xfeedfacecafebeef), 0);
	UNTIL(rig, rig->ears.views == 1);
	assert_int_equal(rig->ears.configs, 200);
	assert_int_equal(rig->ears.view_domain, 7);
	assert_int_equal(rig->ears.view_cookie, 0xfeedfacecafebeef);
	assert_string_equal(rig->ears.view_why, "");
}

static void views_are_bounded(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < PROVIDER_CLIENT_VIEWS; i++)
		assert_int_equal(rig->client->ops->view(rig->client, 1, i), 0);
	assert_int_equal(rig->client->ops->view(rig->client, 1, 0), -ENOBUFS);
	UNTIL(rig, rig->ears.views == PROVIDER_CLIENT_VIEWS);
	assert_int_equal(rig->client->ops->view(rig->client, 1, 0), 0);
}

static void events_and_the_state_of_the_hardware_are_told(void **state)
{
	struct rig *rig = *state;
	const struct provider_event reboot = { .kind = PROVIDER_EVENT_REBOOT, .boot_id = "boot-2" };
	struct provider_hello hello = model_hello;

	rig->model.hold = true;
	submit(rig, 1, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->model.taken == 1);
	rig->model.sink.told(rig->model.sink.arg, &reboot);
	rig->model.sink.state(rig->model.sink.arg, PROVIDER_LOST, NULL);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_LOST);
	assert_int_equal(rig->ears.events, 1);
	assert_string_equal(rig->ears.event.boot_id, "boot-2");
	assert_int_equal(rig->ears.done_count, 1);
	assert_int_equal(rig->ears.done[0].outcome, PROVIDER_UNKNOWN);
	const struct provider_op op = { .attempt = 2, .verb = PROVIDER_RESET, .function = 1 };
	assert_int_equal(rig->client->ops->submit(rig->client, &op), -ENOTCONN);

	(void)snprintf(hello.boot_id, sizeof(hello.boot_id), "boot-3");
	rig->model.sink.state(rig->model.sink.arg, PROVIDER_READY, &hello);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
	assert_string_equal(rig->ears.hello.boot_id, "boot-3");
}

static void a_provider_that_only_reads_refuses_to_write(void **state)
{
	struct rig *rig = *state;
	struct provider_hello hello = model_hello;

	hello.can = 0;
	rig->model.sink.state(rig->model.sink.arg, PROVIDER_READY, &hello);
	submit(rig, 1, PROVIDER_BIND, 0);
	submit(rig, 2, PROVIDER_READ, 1);
	UNTIL(rig, rig->ears.done_count == 2);
	assert_int_equal(rig->ears.done[0].outcome, PROVIDER_REFUSED);
	assert_int_equal(rig->ears.done[0].why, PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(rig->ears.done[1].outcome, PROVIDER_DONE);
	assert_int_equal(rig->model.taken, 1);
}

static void what_a_provider_does_not_take_is_refused(void **state)
{
	struct rig *rig = *state;

	rig->model.submit_answer = -ENOBUFS;
	submit(rig, 1, PROVIDER_BIND, 0);
	UNTIL(rig, rig->ears.done_count == 1);
	assert_int_equal(rig->ears.done[0].outcome, PROVIDER_REFUSED);
	assert_string_equal(rig->ears.done[0].text, strerror(ENOBUFS));
}

/* A peer that speaks bytes. */

static int raw_connect(const struct rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void raw_send(int fd, const struct buf *b)
{
	assert_int_equal(send(fd, b->data, b->length, MSG_NOSIGNAL), b->length);
}

/* What has come by the time that one more frame of type @type is there; false: closed before. */
static bool raw_wait(struct rig *rig, int fd, struct buf *in, uint16_t type, struct wire_frame *f)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	bool found = false;
	bool closed = false;

	(void)event_add(rig->patience, &patience);
	while (!found && !closed) {
		uint8_t bytes[65536];
		ssize_t n;
		int size;

		(void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
		n = recv(fd, bytes, sizeof(bytes), 0);
		closed = !n || (n < 0 && errno != EAGAIN);
		if (n > 0)
			buf_bytes(in, bytes, (size_t)n);
		while (!found && (size = wire_frame_next(in->data, in->length, f)) > 0) {
			found = f->type == type;
			if (!found)
				buf_drop(in, (size_t)size);
		}
	}
	(void)event_del(rig->patience);
	return found;
}

static void hello_version_put(struct buf *b, uint16_t version, uint16_t oldest, uint16_t newest)
{
	size_t start = b->length;

	wire_hello_put(b, WIRE_MANAGER, "raw");
	b->data[start + 4] = (uint8_t)version;
	b->data[start + WIRE_HEADER] = (uint8_t)oldest;
	b->data[start + WIRE_HEADER + 2] = (uint8_t)newest;
}

static void versions_are_negotiated(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf in = { 0 };
	OWNED(buf_done) struct buf more = { 0 };
	char why[PROVIDER_TEXT_MAX];
	struct wire_frame f;
	int fd;

	server_start(rig);
	fd = raw_connect(rig);
	hello_version_put(&b, 2, 2, 9);
	raw_send(fd, &b);
	assert_true(raw_wait(rig, fd, &in, WIRE_REFUSED, &f));
	assert_int_equal(wire_refused_get(&f, why), 0);
	assert_string_equal(why, "no common version of the protocol");
	close(fd);
	fd = raw_connect(rig);
	b.length = 0;
	hello_version_put(&b, 9, 1, 9);
	raw_send(fd, &b);
	assert_true(raw_wait(rig, fd, &more, WIRE_WELCOME, &f));
	close(fd);
}

static void an_unknown_message_is_answered_and_ignored(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf in = { 0 };
	static const uint8_t unknown[] = { 3, 0, 0, 0, 1, 0, 0x34, 0x12, 1, 2, 3 };
	struct wire_frame f;
	uint64_t number;
	uint16_t type;
	int fd;

	server_start(rig);
	fd = raw_connect(rig);
	wire_hello_put(&b, WIRE_MANAGER, "raw");
	buf_bytes(&b, unknown, sizeof(unknown));
	wire_ping_put(&b, WIRE_PING, 42);
	raw_send(fd, &b);
	assert_true(raw_wait(rig, fd, &in, WIRE_UNSUPPORTED, &f));
	assert_int_equal(wire_unsupported_get(&f, &type), 0);
	assert_int_equal(type, 0x1234);
	assert_true(raw_wait(rig, fd, &in, WIRE_PONG, &f));
	assert_int_equal(wire_ping_get(&f, &number), 0);
	assert_int_equal(number, 42);
	close(fd);
}

static void what_is_malformed_or_misplaced_ends_its_connection_alone(void **state)
{
	static const struct {
		bool hello;
		uint8_t bytes[16];
		size_t length;
	} cases[] = {
		{ false, "GET / HTTP/1.1\r\n", 16 },
		{ false, { 4, 0, 0, 0, 1, 0, WIRE_SCAN, 0, 0, 0, 0, 0 }, 12 }, /* before hello */
		{ true, { 3, 0, 0, 0, 1, 0, WIRE_SCAN, 0, 0, 0, 0 }, 11 },     /* too short */
		{ true, { 0, 0, 0, 0, 1, 0, WIRE_DONE, 0 }, 8 },               /* not its to send */
		{ true, { 0, 0, 0, 0, 1, 0, WIRE_HELLO, 0 }, 8 },              /* twice */
		{ true, { 0, 0, 0, 0, 7, 0, WIRE_PING, 0 }, 8 },               /* another version */
		{ true, { 0xff, 0xff, 0xff, 0xff, 1, 0, 99, 0 }, 8 },
		{ true, { 1, 0, 0, 0, 1, 0, WIRE_PING, 0, 1 }, 9 },
	};
	struct rig *rig = *state;

	server_start(rig);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OWNED(buf_done) struct buf b = { 0 };
		OWNED(buf_done) struct buf in = { 0 };
		struct wire_frame f;
		int fd = raw_connect(rig);

		if (cases[i].hello)
			wire_hello_put(&b, WIRE_MANAGER, "raw");
		buf_bytes(&b, cases[i].bytes, cases[i].length);
		raw_send(fd, &b);
		assert_false(raw_wait(rig, fd, &in, 0xffff, &f));
		close(fd);
		UNTIL(rig, !rig->manager_here);
	}
	rig->client = client_open(rig, &rig->ears);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
}

static void an_operation_that_came_after_its_deadline_is_not_carried_out(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf in = { 0 };
	struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion done;
	struct provider_op op = { .attempt = 1, .verb = PROVIDER_RESET, .function = 1 };
	uint64_t now_ms = clock_boot_ms();
	struct wire_frame f;
	int fd;

	server_start(rig);
	fd = raw_connect(rig);
	wire_hello_put(&b, WIRE_MANAGER, "raw");
	/* it had 5 s when it was sent, 6 s ago: it lay in a buffer */
	op.deadline_ms = now_ms - 1000;
	wire_op_put(&b, &op, now_ms - 6000);
	raw_send(fd, &b);
	assert_true(raw_wait(rig, fd, &in, WIRE_DONE, &f));
	assert_int_equal(wire_done_get(&f, bindings, &done), 0);
	assert_int_equal(done.outcome, PROVIDER_REFUSED);
	assert_int_equal(rig->model.taken, 0);
	close(fd);
}

static void a_verb_of_a_later_version_is_refused_not_fatal(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf in = { 0 };
	struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion done;
	const struct provider_op op = {
		.attempt = 8, .verb = PROVIDER_RESET, .function = 1, .deadline_ms = UINT64_MAX
	};
	struct wire_frame f;
	size_t start;
	int fd;

	server_start(rig);
	fd = raw_connect(rig);
	wire_hello_put(&b, WIRE_MANAGER, "raw");
	start = b.length;
	wire_op_put(&b, &op, clock_boot_ms());
	assert_int_equal(b.data[start + WIRE_HEADER + 36], PROVIDER_RESET);
	b.data[start + WIRE_HEADER + 36] = 99;
	raw_send(fd, &b);
	assert_true(raw_wait(rig, fd, &in, WIRE_DONE, &f));
	assert_int_equal(wire_done_get(&f, bindings, &done), 0);
	assert_int_equal(done.attempt, 8);
	assert_int_equal(done.outcome, PROVIDER_REFUSED);
	assert_int_equal(done.why, PROVIDER_WHY_UNSUPPORTED);
	close(fd);
}

static void a_manager_that_does_not_read_is_dropped(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	int fd;

	server_start(rig);
	rig->model.view_functions = 256; /* 1 MiB each */
	fd = raw_connect(rig);
	wire_hello_put(&b, WIRE_MANAGER, "raw");
	for (uint32_t i = 0; i < 80; i++)
		wire_view_put(&b, i, 1);
	raw_send(fd, &b);
	UNTIL(rig, rig->manager_came == 1 && !rig->manager_here);
	close(fd);
}

static void connections_are_bounded_and_silent_ones_give_way(void **state)
{
	struct rig *rig = *state;
	int fds[100];

	server_start(rig);
	for (size_t i = 0; i < 100; i++) {
		fds[i] = raw_connect(rig);
		(void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
	}
	rig->client = client_open(rig, &rig->ears);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY);
	for (size_t i = 0; i < 100; i++)
		close(fds[i]);
}

/* Control, from a thread: it waits. */

struct asking {
	const struct rig *rig;
	const char *request;
	struct buf answer;
	char why[PROVIDER_TEXT_MAX];
	int r;
	bool over;
	pthread_t thread;
};

static void *ask_run(void *arg)
{
	struct asking *a = arg;

	a->r = provider_control(a->rig->path, a->request, &a->answer, a->why);
	__atomic_store_n(&a->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void ask(struct rig *rig, struct asking *a, const char *request)
{
	*a = (struct asking){ .rig = rig, .request = request };
	assert_int_equal(pthread_create(&a->thread, NULL, ask_run, a), 0);
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	(void)event_add(rig->patience, &patience);
	while (!__atomic_load_n(&a->over, __ATOMIC_ACQUIRE)) {
		(void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
		sched_yield();
	}
	(void)event_del(rig->patience);
	(void)pthread_join(a->thread, NULL);
}

static void a_control_request_is_answered_beside_the_manager(void **state)
{
	struct rig *rig = *state;
	char *large = calloc(1, WIRE_CONTROL_MAX + 1);
	struct asking a;

	ask(rig, &a, "bindings");
	assert_int_equal(a.r, 0);
	assert_string_equal(rig->request, "bindings");
	assert_int_equal(a.answer.length, 3);
	buf_done(&a.answer);

	ask(rig, &a, "");
	assert_int_equal(a.r, 0);
	assert_string_equal(rig->request, "");
	buf_done(&a.answer);

	ask(rig, &a, "large");
	assert_int_equal(a.r, 0);
	assert_int_equal(a.answer.length, WIRE_CONTROL_MAX);
	buf_done(&a.answer);

	memset(large, 'y', WIRE_CONTROL_MAX);
	ask(rig, &a, large);
	assert_int_equal(a.r, 0);
	assert_int_equal(rig->request_length, WIRE_CONTROL_MAX);
	buf_done(&a.answer);
	free(large);

	ask(rig, &a, "refuse");
	assert_int_equal(a.r, 1);
	assert_string_equal(a.why, "no such fault");
	buf_done(&a.answer);

	ask(rig, &a, "fail");
	assert_int_equal(a.r, EIO);
	assert_string_equal(a.why, strerror(EIO));
	buf_done(&a.answer);
	assert_int_equal(state_of(&rig->ears), PROVIDER_READY);
}

static void a_control_request_sets_the_provider_going(void **state)
{
	struct rig *rig = *state;
	struct asking a;

	rig->model.hold = true;
	submit(rig, 1, PROVIDER_UNBIND, 0);
	UNTIL(rig, rig->model.taken == 1);
	ask(rig, &a, "release");
	buf_done(&a.answer);
	UNTIL(rig, rig->ears.done_count == 1);
}

static void a_server_that_is_not_there_is_said_to_be_so(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf answer = { 0 };
	char why[PROVIDER_TEXT_MAX];

	assert_int_equal(provider_control(rig->path, "x", &answer, why), -ENOENT);
	assert_string_equal(why, strerror(ENOENT));
	assert_int_equal(answer.length, 0);
}

static void more_control_connections_than_16_are_refused(void **state)
{
	struct rig *rig = *state;
	OWNED(buf_done) struct buf b = { 0 };
	int fds[PROVIDER_SERVER_CONTROLS];
	struct asking a;

	wire_hello_put(&b, WIRE_CONTROLLER, "raw");
	for (size_t i = 0; i < PROVIDER_SERVER_CONTROLS; i++) {
		OWNED(buf_done) struct buf in = { 0 };
		struct wire_frame f;

		fds[i] = raw_connect(rig);
		raw_send(fds[i], &b);
		assert_true(raw_wait(rig, fds[i], &in, WIRE_WELCOME, &f));
	}
	ask(rig, &a, "x");
	assert_int_equal(a.r, -ECONNREFUSED);
	assert_string_equal(a.why, "too many control connections");
	buf_done(&a.answer);
	close(fds[0]);
	for (;;) { /* the server notices in its time */
		ask(rig, &a, "x");
		buf_done(&a.answer);
		if (!a.r)
			break;
	}
	for (size_t i = 1; i < PROVIDER_SERVER_CONTROLS; i++)
		close(fds[i]);
}

/* The socket file. */

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct rig *rig = *state;
	const struct provider_server_user user = { 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct provider_server *other;
	struct stat st;
	char longer[200];
	FILE *file;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* left behind by a server that died */
	server_start(rig);
	assert_int_equal(stat(rig->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(provider_server_new(rig->base, rig->path, &user, &other), -EADDRINUSE);
	rig->client = client_open(rig, &rig->ears);
	UNTIL(rig, state_of(&rig->ears) == PROVIDER_READY); /* the probe did no harm */
	server_stop(rig);
	assert_int_equal(stat(rig->path, &st), -1);

	file = fopen(rig->path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(provider_server_new(rig->base, rig->path, &user, &other), -EEXIST);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(provider_server_new(rig->base, longer, &user, &other), -ENAMETOOLONG);
	assert_int_equal(provider_server_new(rig->base, "/nonexistent/socket", &user, &other),
			 -ENOENT);
}

int main(void)
{
#define CONNECTED(name) cmocka_unit_test_setup_teardown(name, rig_setup_connected, rig_teardown)
#define BARE(name)      cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CONNECTED(a_provider_does_not_die_of_whom_it_writes_to),
		CONNECTED(operations_pass_in_order_and_completions_return),
		CONNECTED(what_the_switch_says_arrives_whole),
		BARE(a_client_that_is_there_first_connects_when_the_server_comes),
		CONNECTED(loss_ends_all_that_is_under_way_and_then_it_connects_again),
		CONNECTED(what_was_accepted_is_carried_out_after_the_manager_has_gone),
		CONNECTED(what_was_sent_before_the_manager_died_is_still_taken),
		CONNECTED(a_second_manager_is_refused_with_the_reason_until_the_first_goes),
		CONNECTED(s19_an_answer_after_the_deadline_counts_for_nothing),
		CONNECTED(a_scan_of_65536_functions_holds_up_no_completion),
		CONNECTED(a_scan_asked_for_while_one_arrives_gets_one_of_its_own),
		CONNECTED(a_scan_that_a_reboot_made_stale_is_taken_again),
		CONNECTED(a_scan_that_fails_says_why),
		CONNECTED(a_scan_for_a_manager_that_is_gone_goes_nowhere),
		CONNECTED(a_view_shows_each_function_and_then_ends),
		CONNECTED(views_are_bounded),
		CONNECTED(events_and_the_state_of_the_hardware_are_told),
		CONNECTED(a_provider_that_only_reads_refuses_to_write),
		CONNECTED(what_a_provider_does_not_take_is_refused),
		BARE(versions_are_negotiated),
		BARE(an_unknown_message_is_answered_and_ignored),
		BARE(what_is_malformed_or_misplaced_ends_its_connection_alone),
		BARE(an_operation_that_came_after_its_deadline_is_not_carried_out),
		BARE(a_verb_of_a_later_version_is_refused_not_fatal),
		BARE(a_manager_that_does_not_read_is_dropped),
		BARE(connections_are_bounded_and_silent_ones_give_way),
		CONNECTED(a_control_request_is_answered_beside_the_manager),
		CONNECTED(a_control_request_sets_the_provider_going),
		BARE(a_server_that_is_not_there_is_said_to_be_so),
		CONNECTED(more_control_connections_than_16_are_refused),
		BARE(a_stale_socket_is_replaced_and_a_live_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
