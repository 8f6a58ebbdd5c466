/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/pci/child.h"

enum { PATIENCE_MS = 60000 };

static struct event_base *base;
static struct child *child;
static enum child_news heard[8];
static size_t heard_count;
static int killed;
static int held = -1;

static void hear(void *arg, struct child *from, enum child_news news)
{
	(void)arg;
	assert_ptr_equal(from, child);
	heard[heard_count++] = news;
	(void)event_base_loopbreak(base);
}

static void start(void (*run)(void *, struct buf *), size_t most, uint64_t ms, int (*kill_fn)(int))
{
	const struct child_work work = { .name = "a test",
					 .run = run,
					 .news = hear,
					 .arg = "argument",
					 .most = most,
					 .deadline_ms = clock_boot_ms() + ms,
					 .held_fd = held,
					 .kill = kill_fn };

	heard_count = 0;
	killed = 0;
	assert_int_equal(child_new(base, &work, &child), 0);
}

static void wait_news(size_t count)
{
	while (heard_count < count)
		assert_int_equal(event_base_dispatch(base), 0);
}

static void say_argument(void *arg, struct buf *out)
{
	buf_text(out, arg);
}

static void say_much(void *arg, struct buf *out)
{
	(void)arg;
	for (unsigned i = 0; i < 100000; i++)
		buf_text(out, "0123456789");
}

static void fall(void *arg, struct buf *out)
{
	(void)arg;
	(void)out;
	_exit(3);
}

static void say_descriptors(void *arg, struct buf *out)
{
	(void)arg;
	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			buf_text(out, fd == held ? "held " : "other ");
}

static void hang(void *arg, struct buf *out)
{
	(void)arg;
	(void)out;
	for (;;)
		(void)pause();
}

/* What becomes of a process that waits in the kernel. */
static int not_killed(int pid)
{
	killed = pid;
	return 0;
}

static void result_comes_whole(void **unused)
{
	(void)unused;
	start(say_argument, 100, PATIENCE_MS, NULL);
	wait_news(1);
	assert_int_equal(heard[0], CHILD_FINISHED);
	assert_int_equal(child_output(child)->length, 8);
	assert_memory_equal(child_output(child)->data, "argument", 8);
	child_free(child);

	start(say_much, 1000000, PATIENCE_MS, NULL);
	wait_news(1);
	assert_int_equal(heard[0], CHILD_FINISHED);
	assert_int_equal(child_output(child)->length, 1000000);
	child_free(child);
}

static void child_has_no_descriptor_of_its_parent_but_the_held_one(void **unused)
{
	(void)unused;
	/* before and behind the pipe's */
	held = open("/dev/null", O_RDONLY);
	start(say_descriptors, 1000, PATIENCE_MS, NULL);
	wait_news(1);
	assert_memory_equal(child_output(child)->data, "held other ", 11);
	assert_int_equal(child_output(child)->length, 11);
	child_free(child);

	assert_int_equal(dup2(held, 60), 60);
	assert_int_equal(close(held), 0);
	held = 60;
	start(say_descriptors, 1000, PATIENCE_MS, NULL);
	wait_news(1);
	assert_memory_equal(child_output(child)->data, "other held ", 11);
	assert_int_equal(child_output(child)->length, 11);
	child_free(child);
	assert_int_equal(close(held), 0);
	held = -1;
}

static void result_that_is_too_long_is_none(void **unused)
{
	(void)unused;
	start(say_much, 999999, PATIENCE_MS, NULL);

	wait_news(1);

	assert_int_equal(heard[0], CHILD_DIED);
	child_free(child);
}

static void child_that_falls_is_told(void **unused)
{
	(void)unused;
	start(fall, 100, PATIENCE_MS, NULL);

	wait_news(1);

	assert_int_equal(heard[0], CHILD_DIED);
	child_free(child);
}

static void child_that_hangs_is_killed_at_its_deadline(void **unused)
{
	(void)unused;
	start(hang, 100, 20, NULL);

	wait_news(2);

	assert_int_equal(heard[0], CHILD_LATE);
	assert_int_equal(heard[1], CHILD_GONE);
	child_free(child);
}

static void child_that_cannot_be_killed_is_gone_only_when_it_is(void **unused)
{
	const struct timeval later = { .tv_sec = 1, .tv_usec = 300000 };

	(void)unused;
	start(hang, 100, 20, not_killed);
	wait_news(1);
	assert_int_equal(heard[0], CHILD_LATE);
	assert_int_equal(killed, child_pid(child));
	(void)event_base_loopexit(base, &later);
	(void)event_base_dispatch(base);
	assert_int_equal(heard_count, 1);

	assert_int_equal(kill(killed, SIGKILL), 0);
	wait_news(2);

	assert_int_equal(heard[1], CHILD_GONE);
	child_free(child);
}

static int setup(void **unused)
{
	(void)unused;
	log_setup("test", LOG_LEVEL_ERR);
	base = event_base_new();
	return base ? 0 : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	event_base_free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_comes_whole),
		cmocka_unit_test(child_has_no_descriptor_of_its_parent_but_the_held_one),
		cmocka_unit_test(result_that_is_too_long_is_none),
		cmocka_unit_test(child_that_falls_is_told),
		cmocka_unit_test(child_that_hangs_is_killed_at_its_deadline),
		cmocka_unit_test(child_that_cannot_be_killed_is_gone_only_when_it_is),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
