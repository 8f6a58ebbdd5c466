/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/control.h"
#include "sim_fixture.h"

struct fixture {
	struct sim_chassis *chassis;
	struct sim_model *model;
	struct sim_names names;
	struct sim_control control;
	struct provider *p;
	unsigned events;
	struct buf answer;
};

static void on_completed(void *arg, const struct provider_completion *done)
{
	(void)arg;
	assert_int_equal(done->outcome, PROVIDER_DONE);
}

static void on_told(void *arg, const struct provider_event *event)
{
	struct fixture *f = arg;

	(void)event;
	f->events++;
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	(void)arg;
	(void)state;
	(void)hello;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct provider_sink sink = {
		.completed = on_completed, .told = on_told, .state = on_state, .arg = f
	};

	f->chassis = fixture_new();
	assert_int_equal(sim_model_new(f->chassis, &f->model), 0);
	assert_int_equal(sim_names_init(&f->names, sim_model_map(f->model)), 0);
	f->control = (struct sim_control){ f->model, &f->names };
	f->p = sim_model_provider(f->model, &sink);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_close(f->p);
	sim_names_done(&f->names);
	sim_model_free(f->model);
	sim_chassis_free(f->chassis);
	buf_done(&f->answer);
	free(f);
	return 0;
}

static const char *ask(struct fixture *f, const char *request, int expected)
{
	buf_done(&f->answer);
	f->answer = (struct buf){ 0 };
	assert_int_equal(sim_control(&f->control, request, &f->answer), expected);
	buf_u8(&f->answer, 0);
	return (const char *)f->answer.data;
}

static void apply(struct fixture *f, struct provider_op op)
{
	op.attempt = 1;
	op.deadline_ms = 1000;
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	f->p->ops->advance(f->p, 0);
}

static void bindings_are_spelled_with_names(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "bindings 0", 0), "0\n");
	apply(f, (struct provider_op){ .verb = PROVIDER_IDENTITY,
				       .function = SHARED_VF1,
				       .identity = { .mac = 0x02fab0000001, .vlan = 7 } });
	apply(f, (struct provider_op){ .verb = PROVIDER_BIND,
				       .function = SHARED_VF1,
				       .host = BAY2,
				       .vport = 3,
				       .generation = 5 });
	apply(f, (struct provider_op){
			 .verb = PROVIDER_BIND, .function = GPU_F1, .host = BAY1, .vport = 1 });
	assert_string_equal(
		ask(f, "bindings 0", 0),
		"0\n{\"function\":\"nic-0001/pf0/vf1\",\"host\":\"bay2\",\"vport\":3,\"identity\":{"
		"\"mac\":\"02:fa:b0:00:00:01\",\"vlan\":7},\"generation\":5}\n"
		"{\"function\":\"gpu-0001/f1\",\"host\":\"bay1\",\"vport\":1,\"identity\":{},"
		"\"generation\":0}\n");
	assert_memory_equal(ask(f, "bindings 2", 0), "0\n{\"function\":\"gpu", 18);
}

static void many_bindings_come_in_pages(void **state)
{
	struct fixture *f = *state;
	struct sim_chassis *c = NULL;
	struct sim_model *model = NULL;
	struct sim_names names;
	struct sim_control control;
	char why[SIM_CHASSIS_WHY], request[64];
	size_t lines = 0, after = 0, pages = 0;
	struct provider *p;
	const struct provider_sink sink = { .completed = on_completed, .state = on_state };

	assert_int_equal(sim_chassis_generate(16, 1, 48, 64, &c, why), 0);
	c->depth = 5000;
	assert_int_equal(sim_model_new(c, &model), 0);
	assert_int_equal(sim_names_init(&names, sim_model_map(model)), 0);
	p = sim_model_provider(model, &sink);
	for (uint32_t i = 0; i < 3000; i++) {
		struct provider_op op = { .verb = PROVIDER_BIND,
					  .function = i / 64 * 65 + i % 64 + 2,
					  .host = (uint16_t)(i / 240 + 1),
					  .vport = (uint16_t)(i % 240 + 1),
					  .attempt = i + 1,
					  .deadline_ms = 10 };

		assert_int_equal(p->ops->submit(p, &op), 0);
	}
	p->ops->advance(p, 0);
	control = (struct sim_control){ model, &names };
	do {
		buf_done(&f->answer);
		f->answer = (struct buf){ 0 };
		snprintf(request, sizeof(request), "bindings %zu", after);
		assert_int_equal(sim_control(&control, request, &f->answer), 0);
		buf_u8(&f->answer, 0);
		after = strtoul((char *)f->answer.data, NULL, 10);
		for (size_t i = 0; i < f->answer.length; i++)
			lines += f->answer.data[i] == '\n';
		lines--;
		pages++;
		assert_true(f->answer.length < 1 << 20);
	} while (after);
	assert_int_equal(lines, 3000);
	assert_int_equal(pages, 2);
	provider_close(p);
	sim_names_done(&names);
	sim_model_free(model);
	sim_chassis_free(c);
}

static void faults_are_set_all_or_none(void **state)
{
	struct fixture *f = *state;
	const struct sim_fault *faults;

	assert_string_equal(ask(f, "fault bind:lost:3 all:delay=20", 0), "");
	assert_string_equal(ask(f, "fault", 0), "bind:lost:3\nall:delay=20\n");
	assert_string_not_equal(ask(f, "fault unbind:lost nonsense", REFUSE_FIELD), "");
	assert_int_equal(sim_model_faults(f->model, &faults), 2);
	assert_string_equal(ask(f, "fault clear unbind:lost", 0), "");
	assert_string_equal(ask(f, "fault", 0), "unbind:lost\n");
	assert_string_equal(ask(f, "fault clear", 0), "");
	assert_string_equal(ask(f, "fault", 0), "");
}

static void more_faults_than_fit_set_none(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf request = { 0 };

	buf_text(&request, "fault");
	for (int i = 0; i < SIM_MODEL_FAULTS; i++)
		buf_text(&request, " all:lost");
	assert_string_equal(ask(f, (char *)request.data, 0), "");
	assert_string_not_equal(ask(f, "fault all:lost", REFUSE_FIELD), "");
	assert_string_equal(ask(f, (char *)request.data, REFUSE_FIELD),
			    "at most 32 faults at once");
	buf_text(&request, " all:lost all:lost");
	assert_string_equal(ask(f, (char *)request.data, REFUSE_FIELD), "too many words");
}

static void a_reboot_is_asked_for_by_word(void **state)
{
	struct fixture *f = *state;
	char old[PROVIDER_NAME_MAX];

	memcpy(old, sim_model_hello(f->model)->boot_id, sizeof(old));
	assert_string_equal(ask(f, "fault reboot-old", 0), "");
	assert_string_not_equal(sim_model_hello(f->model)->boot_id, old);
	f->p->ops->advance(f->p, 0);
	assert_int_equal(f->events, 1);
}

static void blades_are_turned_off_by_name(void **state)
{
	struct fixture *f = *state;
	const struct sim_map *map = sim_model_map(f->model);

	assert_string_equal(ask(f, "host bay2 power off", 0), "");
	assert_false(map->hosts[BAY2 - 1].state.power);
	assert_string_equal(ask(f, "host bay2 power on", 0), "");
	assert_true(map->hosts[BAY2 - 1].state.power);
	assert_string_equal(ask(f, "host bay2 link off", 0), "");
	assert_false(map->hosts[BAY2 - 1].state.link);
	assert_string_equal(ask(f, "host bay2 traffic on", 0), "");
	assert_string_equal(ask(f, "host bay9 link off", REFUSE_FIELD), "no host \"bay9\"");
	assert_string_not_equal(ask(f, "host bay2 link away", REFUSE_FIELD), "");
	assert_string_not_equal(ask(f, "host bay2 fan off", REFUSE_FIELD), "");
	assert_string_not_equal(ask(f, "host bay2", REFUSE_FIELD), "");
}

static void cards_are_pulled_by_name(void **state)
{
	struct fixture *f = *state;
	const struct sim_map *map = sim_model_map(f->model);

	assert_string_equal(ask(f, "adapter gpu-0001 pull", 0), "");
	assert_false(map->functions[GPU_F0 - 1].now.present);
	assert_string_equal(ask(f, "adapter gpu-0001 plug", 0), "");
	assert_true(map->functions[GPU_F0 - 1].now.present);
	assert_string_not_equal(ask(f, "adapter gpu-9 pull", REFUSE_FIELD), "");
	assert_string_not_equal(ask(f, "adapter gpu-0001 eat", REFUSE_FIELD), "");
}

static void anything_else_is_refused(void **state)
{
	struct fixture *f = *state;
	char *long_request = calloc(1, 6000);

	assert_string_equal(ask(f, "", REFUSE_FIELD), "no such request");
	assert_string_equal(ask(f, "   ", REFUSE_FIELD), "no such request");
	assert_string_equal(ask(f, "explode", REFUSE_FIELD), "no such request");
	memset(long_request, 'x', 5000);
	assert_string_equal(ask(f, long_request, REFUSE_FIELD), "the request is too long");
	free(long_request);
}

static void a_slot_is_spoken_of_by_its_port(void **state)
{
	struct fixture *f = *state;
	const struct sim_map *map = sim_model_map(f->model);
	char request[128];
	char port[TOPO_NAME_MAX];

	topo_name_port(map->switches[map->adapters[0].switch_handle - 1].name,
		       map->adapters[0].port, port);
	(void)snprintf(request, sizeof(request), "slot %s", port);
	assert_string_equal(ask(f, request, 0), "card nic-0001, power on, attention off\n");
	(void)snprintf(request, sizeof(request), "slot %s swap E7777", port);
	ask(f, request, 0);
	(void)snprintf(request, sizeof(request), "slot %s", port);
	assert_string_equal(ask(f, request, 0), "card nic-7777, power off, attention off\n");
	(void)snprintf(request, sizeof(request), "slot %s in", port);
	assert_non_null(strstr(ask(f, request, REFUSE_FIELD), "taken"));
	(void)snprintf(request, sizeof(request), "slot %s out", port);
	ask(f, request, 0);
	assert_non_null(strstr(ask(f, request, REFUSE_FIELD), "empty"));
	(void)snprintf(request, sizeof(request), "slot %s swap", port);
	assert_non_null(strstr(ask(f, request, REFUSE_FIELD), "swap SERIAL"));
	assert_non_null(ask(f, "slot sw9/p1 out", REFUSE_FIELD));
	(void)snprintf(request, sizeof(request), "slot %s in E8888", port);
	ask(f, request, 0);
	apply(f, (struct provider_op){ .verb = PROVIDER_SLOT_POWER,
				       .switch_handle = map->adapters[0].switch_handle,
				       .port = map->adapters[0].port,
				       .value = 1 });
	(void)snprintf(request, sizeof(request), "slot %s", port);
	assert_string_equal(ask(f, request, 0), "card nic-8888, power on, attention off\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_slot_is_spoken_of_by_its_port), T(bindings_are_spelled_with_names),
		T(many_bindings_come_in_pages),     T(faults_are_set_all_or_none),
		T(more_faults_than_fit_set_none),   T(a_reboot_is_asked_for_by_word),
		T(blades_are_turned_off_by_name),   T(cards_are_pulled_by_name),
		T(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
