/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks and removal, with real processes and a tree in place of sysfs. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "agent/hooks.h"
#include "agent/removal.h"
#include "agent_tree.h"
#include "common/clock.h"
#include "until.h"

enum { LONG_MS = 20000 };

struct rig {
	struct tree tree;
	struct event_base *base;
	struct children children;
	struct removals *removals;
	char hooks[128];
	/* what came */
	unsigned answers;
	struct agent_line answer;
	void *from;
	unsigned hook_ends;
	char why[HOOKS_WHY_MAX];
};

static void on_answered(void *arg, void *from, const struct agent_line *answer)
{
	struct rig *rig = arg;

	rig->answers++;
	rig->answer = *answer;
	rig->from = from;
}

static void on_hooks(void *arg, const char *why)
{
	struct rig *rig = arg;

	rig->hook_ends++;
	(void)snprintf(rig->why, sizeof(rig->why), "%s", why ? why : "");
}

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct removals_config config = {
		.host = "bay1", .hook_ms = 10000, .answered = on_answered, .arg = rig
	};

	*state = rig;
	tree_init(&rig->tree);
	tree_nvme(&rig->tree, "0000:06:00.0");
	tree_file(&rig->tree, "bus/pci/devices/0000:06:00.0/remove", "");
	tree_file(&rig->tree, "hooks/README", "no program\n");
	(void)snprintf(rig->hooks, sizeof(rig->hooks), "%s/hooks", rig->tree.root);
	rig->base = event_base_new();
	children_init(&rig->children, rig->base);
	config.base = rig->base;
	config.children = &rig->children;
	config.sysfs = rig->tree.root;
	config.hooks = rig->hooks;
	assert_int_equal(removals_new(&config, &rig->removals), 0);
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	removals_free(rig->removals);
	UNTIL(rig, !rig->children.first); /* what was killed is collected */
	children_done(&rig->children);
	event_base_free(rig->base);
	tree_done(&rig->tree);
	free(rig);
	return 0;
}

static struct agent_line leave_of(uint64_t id, uint64_t deadline_ms)
{
	struct agent_line line = { .type = AGENT_LEAVE,
				   .id = id,
				   .address = "0000:06:00.0",
				   .function = "nvme-0001",
				   .deadline_ms = deadline_ms };

	return line;
}

static void hear(struct rig *rig, const char *name, char out[static 1024])
{
	tree_read(&rig->tree, name, out, 1024);
}

static bool stands(struct rig *rig, const char *name, const char *text)
{
	char found[1024];

	hear(rig, name, found);
	return !strcmp(found, text);
}

/* Notes what it was called with. */
static void hook(struct rig *rig, const char *name, const char *more)
{
	char script[1024];

	(void)snprintf(script, sizeof(script),
		       "echo \"$@ | $FABRIC_EVENT $FABRIC_HOST $FABRIC_FUNCTION $FABRIC_ADDRESS "
		       "$FABRIC_DRIVER $FABRIC_NODES\" >>%s/log\n%s",
		       rig->tree.root, more);
	tree_program(&rig->tree, name, script);
}

static void a_function_in_a_slot_leaves_by_its_power(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	hook(rig, "hooks/10-site", "");
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, stands(rig, "bus/pci/slots/17/power", "0"));
	for (int i = 0; i < 50; i++)
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->answers, 0); /* it is still there */

	tree_remove(&rig->tree, "bus/pci/devices/0000:06:00.0");
	removals_look(rig->removals);
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.type, AGENT_LEFT);
	assert_int_equal(rig->answer.id, 5);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_DONE);
	assert_ptr_equal(rig->from, rig);
	assert_true(
		stands(rig, "log",
		       "before-remove nvme-0001 0000:06:00.0 nvme /dev/nvme0n1 /dev/nvme0n1p1 | "
		       "before-remove bay1 nvme-0001 0000:06:00.0 nvme /dev/nvme0n1 "
		       "/dev/nvme0n1p1\n"
		       "after-remove nvme-0001 0000:06:00.0 nvme /dev/nvme0n1 /dev/nvme0n1p1 | "
		       "after-remove bay1 nvme-0001 0000:06:00.0 nvme /dev/nvme0n1 "
		       "/dev/nvme0n1p1\n"));
}

static void without_a_slot_the_function_is_removed_by_its_own_file(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, stands(rig, "bus/pci/devices/0000:06:00.0/remove", "1"));
	tree_remove(&rig->tree, "bus/pci/devices/0000:06:00.0");
	UNTIL(rig, rig->answers == 1); /* nobody says that it is gone: it is looked for */

	assert_int_equal(rig->answer.outcome, AGENT_LEFT_DONE);
}

static void a_slot_s_number_alone_says_which(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	leave.address[0] = '\0';
	leave.has_slot = true;
	leave.slot = 17;
	tree_slot(&rig->tree, "17", "0000:06:00\n");
	removals_request(rig->removals, &leave, rig);

	UNTIL(rig, stands(rig, "bus/pci/slots/17/power", "0"));
}

static void a_hook_that_fails_refuses_with_its_last_line(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	hook(rig, "hooks/10-good", "");
	hook(rig, "hooks/20-unmount", "echo first; echo /srv is busy >&2; exit 3");
	hook(rig, "hooks/30-never", "");
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_string_equal(rig->answer.text, "20-unmount: /srv is busy");
	assert_true(stands(rig, "bus/pci/slots/17/power", "1"));
}

static void a_hook_that_others_may_write_is_not_run_and_refuses(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);
	char path[256];

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	hook(rig, "hooks/10-site", "");
	(void)snprintf(path, sizeof(path), "%s/hooks/10-site", rig->tree.root);
	assert_int_equal(chmod(path, 0757), 0);
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 1);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_string_equal(rig->answer.text, "10-site is not run: it may be written by everybody");

	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(rig->hooks, 0775), 0);
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 2);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_non_null(strstr(rig->answer.text, "is not used: it may be written by its group"));
	assert_true(stands(rig, "bus/pci/slots/17/power", "1"));
	(void)snprintf(path, sizeof(path), "%s/log", rig->tree.root);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_hook_that_hangs_is_killed_with_all_its_group(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, 300);
	char pid[1024];

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	hook(rig, "hooks/10-hangs", "sleep 1000 & echo $! >$0.pid; echo waiting; wait");
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_true(stands(rig, "bus/pci/slots/17/power", "1"));
	hear(rig, "hooks/10-hangs.pid", pid);
	assert_true(atoi(pid) > 1);
	UNTIL(rig, kill(atoi(pid), 0) && errno == ESRCH);
}

static void what_is_not_there_has_left(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	(void)snprintf(leave.address, sizeof(leave.address), "0000:09:00.0");
	removals_request(rig->removals, &leave, rig);

	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_DONE);
}

static void a_slot_that_holds_another_function_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	leave.has_slot = true;
	leave.slot = 16;
	tree_slot(&rig->tree, "16", "0000:05:00\n");
	tree_slot(&rig->tree, "17", "0000:06:00\n");
	removals_request(rig->removals, &leave, rig);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_string_equal(rig->answer.text, "slot 16 holds 0000:05:00, not 0000:06:00.0");

	tree_function(&rig->tree, "0000:06:00.1", "0x020000", "0x1af4", "0x1041", NULL);
	leave.has_slot = false;
	removals_request(rig->removals, &leave, rig);
	assert_int_equal(rig->answers, 2);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
	assert_string_equal(rig->answer.text, "slot 17 holds 0000:06:00.1 too");
}

static void what_does_not_go_has_failed_at_the_deadline(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, 200);

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.outcome, AGENT_LEFT_FAILED);
	assert_string_equal(rig->answer.text, "still there after 200 ms");
}

static void a_write_that_the_kernel_refuses_has_failed_with_its_reason(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	tree_slot(&rig->tree, "17", "0000:06:00\n");
	tree_remove(&rig->tree, "bus/pci/slots/17/power");
	removals_request(rig->removals, &leave, rig);
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.outcome, AGENT_LEFT_FAILED);
	assert_non_null(strstr(rig->answer.text, "slots/17/power: No such file or directory"));
}

static void one_that_is_leaving_is_not_asked_anew(void **state)
{
	struct rig *rig = *state;
	struct agent_line leave = leave_of(5, LONG_MS);

	hook(rig, "hooks/10-site", "");
	removals_request(rig->removals, &leave, rig);
	leave.id = 6;
	removals_request(rig->removals, &leave, rig->hooks);
	UNTIL(rig, stands(rig, "bus/pci/devices/0000:06:00.0/remove", "1"));
	tree_remove(&rig->tree, "bus/pci/devices/0000:06:00.0");
	UNTIL(rig, rig->answers == 1);

	assert_int_equal(rig->answer.id, 6);
	assert_ptr_equal(rig->from, rig->hooks);
	/* once before and once after */
	char log[1024];
	hear(rig, "log", log);
	assert_null(strstr(strstr(log, "before-remove nvme") + 1, "before-remove nvme"));
}

static void more_than_there_is_room_for_is_refused_and_ends_leave_room(void **state)
{
	struct rig *rig = *state;

	hook(rig, "hooks/10-slow", "sleep 1000");
	for (uint64_t i = 0; i <= REMOVALS; i++) {
		struct agent_line leave = leave_of(i + 1, LONG_MS);

		(void)snprintf(leave.function, sizeof(leave.function), "f%u", (unsigned)i);
		removals_request(rig->removals, &leave, rig);
	}
	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->answer.id, REMOVALS + 1);
	assert_int_equal(rig->answer.outcome, AGENT_LEFT_REFUSED);
}

static struct hooks_order order_of(const struct rig *rig)
{
	struct hooks_order order = { .folder = rig->hooks,
				     .what = "fenced",
				     .host = "bay1",
				     .each_ms = 200,
				     .all_by_ms = UINT64_MAX };

	return order;
}

static void hooks_run_in_the_order_of_their_names_and_others_do_not(void **state)
{
	struct rig *rig = *state;
	struct hooks_order order = order_of(rig);
	struct hooks *hooks = NULL;

	order.each_ms = 10000;
	hook(rig, "hooks/20-b", "echo b >>$(dirname $0)/order");
	hook(rig, "hooks/10-a", "echo a >>$(dirname $0)/order");
	hook(rig, "hooks/15.bak", "echo bak >>$(dirname $0)/order");
	hook(rig, "hooks/.hidden", "echo hidden >>$(dirname $0)/order");
	assert_int_equal(hooks_run(&rig->children, &order, on_hooks, rig, &hooks), 0);
	assert_int_equal(rig->hook_ends, 0); /* never at once */
	UNTIL(rig, rig->hook_ends == 1);
	hooks_free(hooks);

	assert_string_equal(rig->why, "");
	assert_true(stands(rig, "hooks/order", "a\nb\n"));
	assert_true(stands(rig, "log",
			   "fenced - - - | fenced bay1    \n"
			   "fenced - - - | fenced bay1    \n"));
}

static void each_hook_has_its_own_deadline(void **state)
{
	struct rig *rig = *state;
	struct hooks_order order = order_of(rig);
	struct hooks *hooks = NULL;

	hook(rig, "hooks/10-hangs", "echo still at it; sleep 1000");
	assert_int_equal(hooks_run(&rig->children, &order, on_hooks, rig, &hooks), 0);
	UNTIL(rig, rig->hook_ends == 1);
	hooks_free(hooks);

	assert_string_equal(rig->why, "10-hangs: not done in its time: still at it");
}

static void a_folder_that_is_not_there_has_no_hooks(void **state)
{
	struct rig *rig = *state;
	struct hooks_order order = order_of(rig);
	struct hooks *hooks = NULL;

	order.folder = "/nowhere";
	assert_int_equal(hooks_run(&rig->children, &order, on_hooks, rig, &hooks), 0);
	UNTIL(rig, rig->hook_ends == 1);
	hooks_free(hooks);

	assert_string_equal(rig->why, "");
}

static void a_hook_that_floods_or_leaves_a_child_behind_holds_nobody_up(void **state)
{
	struct rig *rig = *state;
	struct hooks_order order = order_of(rig);
	struct hooks *hooks = NULL;

	order.each_ms = 10000;
	hook(rig, "hooks/10-flood",
	     "head -c 300000 /dev/zero | tr '\\0' x; echo; sleep 1000 & echo the end; exit 1");
	assert_int_equal(hooks_run(&rig->children, &order, on_hooks, rig, &hooks), 0);
	UNTIL(rig, rig->hook_ends == 1);
	hooks_free(hooks);

	assert_string_equal(rig->why, "10-flood: the end");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_function_in_a_slot_leaves_by_its_power),
		TEST(without_a_slot_the_function_is_removed_by_its_own_file),
		TEST(a_slot_s_number_alone_says_which),
		TEST(a_hook_that_fails_refuses_with_its_last_line),
		TEST(a_hook_that_others_may_write_is_not_run_and_refuses),
		TEST(a_hook_that_hangs_is_killed_with_all_its_group),
		TEST(what_is_not_there_has_left),
		TEST(a_slot_that_holds_another_function_is_left_alone),
		TEST(what_does_not_go_has_failed_at_the_deadline),
		TEST(a_write_that_the_kernel_refuses_has_failed_with_its_reason),
		TEST(one_that_is_leaving_is_not_asked_anew),
		TEST(more_than_there_is_room_for_is_refused_and_ends_leave_room),
		TEST(hooks_run_in_the_order_of_their_names_and_others_do_not),
		TEST(each_hook_has_its_own_deadline),
		TEST(a_folder_that_is_not_there_has_no_hooks),
		TEST(a_hook_that_floods_or_leaves_a_child_behind_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
