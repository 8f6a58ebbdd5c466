/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/store.h"
#include "sim_fixture.h"

struct fixture {
	struct sim_chassis *chassis;
	struct sim_model *model;
	struct sim_store *store;
	struct provider *p;
	char folder[64];
	char path[96];
	char why[SIM_STORE_WHY];
};

static void on_completed(void *arg, const struct provider_completion *done)
{
	(void)arg;
	assert_int_equal(done->outcome, PROVIDER_DONE);
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	(void)arg;
	(void)state;
	(void)hello;
}

static int start(struct fixture *f)
{
	const struct provider_sink sink = { .completed = on_completed, .state = on_state };

	assert_int_equal(sim_model_new(f->chassis, &f->model), 0);
	f->p = sim_model_provider(f->model, &sink);
	return sim_store_open(f->path, f->model, &f->store, f->why);
}

/* Without a last snapshot: as kill -9 leaves it. */
static void forget(struct fixture *f)
{
	provider_close(f->p);
	sim_model_free(f->model);
	f->p = NULL;
	f->model = NULL;
}

static void stop(struct fixture *f)
{
	sim_store_close(f->store);
	f->store = NULL;
	forget(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->chassis = fixture_new();
	strcpy(f->folder, "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/state", f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char lock[128];

	snprintf(lock, sizeof(lock), "%s.lock", f->path);
	(void)unlink(f->path);
	(void)unlink(lock);
	assert_int_equal(rmdir(f->folder), 0);
	sim_chassis_free(f->chassis);
	free(f);
	return 0;
}

static void bind(struct fixture *f, uint32_t function)
{
	const struct provider_op op = { .verb = PROVIDER_BIND,
					.function = function,
					.host = BAY1,
					.vport = (uint16_t)function,
					.attempt = 1,
					.deadline_ms = UINT64_MAX };

	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	f->p->ops->advance(f->p, 0);
}

static uint16_t host_of(const struct fixture *f, uint32_t function)
{
	return sim_model_map(f->model)->functions[function - 1].now.host;
}

static void a_switch_that_was_stopped_remembers(void **state)
{
	struct fixture *f = *state;
	char boot_id[PROVIDER_NAME_MAX];

	assert_int_equal(start(f), 0);
	memcpy(boot_id, sim_model_hello(f->model)->boot_id, sizeof(boot_id));
	bind(f, SHARED_VF1);
	stop(f);
	assert_int_equal(start(f), 0);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_string_equal(sim_model_hello(f->model)->boot_id, boot_id);
	stop(f);
}

static void a_switch_that_was_killed_remembers_what_it_answered(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child = fork();

	if (!child) {
		if (start(f))
			_exit(1);
		bind(f, SHARED_VF1);
		bind(f, SHARED_VF2);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(start(f), 0);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(host_of(f, SHARED_VF2), BAY1);
	stop(f);
}

static void a_torn_record_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct stat before;
	pid_t child = fork();

	if (!child) {
		if (start(f))
			_exit(1);
		bind(f, SHARED_VF1);
		bind(f, SHARED_VF2);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(stat(f->path, &before), 0);
	assert_int_equal(truncate(f->path, before.st_size - 3), 0);
	assert_int_equal(start(f), 0);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(host_of(f, SHARED_VF2), 0);
	stop(f);
}

static void a_state_has_one_user(void **state)
{
	struct fixture *f = *state;
	struct sim_store *second = NULL;
	char why[SIM_STORE_WHY] = "";

	assert_int_equal(start(f), 0);
	assert_int_equal(sim_store_open(f->path, f->model, &second, why), REFUSE_FIELD);
	assert_non_null(strstr(why, "in use"));
	stop(f);
}

static void a_state_of_another_chassis_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	assert_int_equal(start(f), 0);
	stop(f);
	assert_int_equal(stat(f->path, &before), 0);
	f->chassis->hosts[0].vports = 3;
	assert_int_equal(start(f), REFUSE_FIELD);
	assert_non_null(strstr(f->why, "not the state of this chassis"));
	forget(f);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	struct fixture *f = *state;
	char held[96];

	memcpy(held, f->path, sizeof(held));
	strcpy(f->path, "/nowhere/at/all");
	assert_true(start(f) < 0);
	assert_non_null(strstr(f->why, "No such file"));
	forget(f);
	memcpy(f->path, held, sizeof(held));
}

static void a_sync_makes_it_clean(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start(f), 0);
	assert_false(sim_store_is_dirty(f->store));
	bind(f, SHARED_VF1);
	assert_true(sim_store_is_dirty(f->store));
	sim_store_sync(f->store);
	assert_false(sim_store_is_dirty(f->store));
	stop(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_switch_that_was_stopped_remembers),
		T(a_switch_that_was_killed_remembers_what_it_answered),
		T(a_torn_record_is_left_out),
		T(a_state_has_one_user),
		T(a_state_of_another_chassis_is_left_alone),
		T(a_folder_that_is_not_there_is_told),
		T(a_sync_makes_it_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
