/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager's side of an agent's port, with the port's other end in our hands. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "fabricd/channel.h"
#include "until.h"

#define BOOT "\"boot_id\":\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\""
#define BEAT "{\"type\":\"beat\",\"host\":\"bay1\"," BOOT ",\"seq\":%d}\n"
#define VIEW                                              \
	"{\"type\":\"seen\",\"host\":\"bay1\"," BOOT      \
	",\"functions\":[{\"address\":\"0000:05:00.%d\"," \
	"\"class\":\"0108\",\"vendor\":\"1b36\",\"device\":\"0010\"}]}\n"

struct rig {
	struct event_base *base;
	struct config config;
	struct channels *channels;
	char folder[64];
	char path[96];
	int listener;
	int port; /* the agent's end */
	/* what came */
	int beat_result;
	unsigned beats;
	uint64_t seq;
	unsigned views;
	char address[AGENT_ADDRESS_MAX];
	unsigned lefts;
	struct agent_line left;
	unsigned hints;
	unsigned leavings;
	unsigned tellings;
	uint64_t told_epoch;
	unsigned claims;
	struct agent_line claim;
};

static int on_leaving(void *arg, const char *host, const char *boot_id, uint64_t seq,
		      uint64_t received_ms, uint64_t *epoch)
{
	struct rig *rig = arg;

	(void)boot_id;
	(void)received_ms;
	assert_string_equal(host, "bay1");
	rig->leavings++;
	rig->seq = seq;
	*epoch = 5;
	return REFUSE_HOST_FENCED;
}

static void on_told(void *arg, const char *host, uint64_t epoch)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->tellings++;
	rig->told_epoch = epoch;
}

static void on_stopped(void *arg, const char *host, const struct agent_line *stopped)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->claims++;
	rig->claim = *stopped;
}

static int on_beat(void *arg, const char *host, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	assert_string_equal(boot_id, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	assert_true(received_ms <= clock_boot_ms());
	rig->beats++;
	rig->seq = seq;
	*epoch = 4;
	return rig->beat_result;
}

static void on_seen(void *arg, const char *host, const struct agent_line *seen)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->views++;
	memcpy(rig->address, seen->seen[0].address, sizeof(rig->address));
}

static void on_left(void *arg, const char *host, const struct agent_line *left)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->lefts++;
	rig->left = *left;
}

static void on_hint(void *arg, const char *host, const char *what)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	assert_non_null(strstr(what, "end-of-file"));
	rig->hints++;
}

static bool accepted(struct rig *rig)
{
	rig->port = accept4(rig->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return rig->port >= 0;
}

static void listen_at(struct rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)unlink(rig->path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
	rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(rig->listener, 4), 0);
}

/* The next line that the agent gets. */
static void hear(struct rig *rig, char *out, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		UNTIL(rig, read(rig->port, out + n, 1) == 1);
		if (out[n] != '\n')
			n++;
		else if (n)
			break;
	}
	out[n] = '\0';
}

/* Who was there before may have been another: fabricd asks for all of it. */
static void meet(struct rig *rig)
{
	char line[64];

	UNTIL(rig, accepted(rig));
	hear(rig, line, sizeof(line));
	assert_string_equal(line, "{\"type\":\"report\"}");
}

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct channel_sink sink = { .beat = on_beat,
					   .leaving = on_leaving,
					   .told = on_told,
					   .stopped = on_stopped,
					   .seen = on_seen,
					   .left = on_left,
					   .hint = on_hint,
					   .arg = rig };

	*state = rig;
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/fabric-channel-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/port", rig->folder);
	config_init(&rig->config);
	rig->config.host_count = 1;
	(void)snprintf(rig->config.hosts[0].name, CONFIG_TEXT_MAX, "bay1");
	(void)snprintf(rig->config.hosts[0].serial, CONFIG_TEXT_MAX, "%s", rig->path);
	rig->base = event_base_new();
	listen_at(rig);
	assert_int_equal(channels_new(rig->base, &rig->config, "db", &sink, &rig->channels), 0);
	meet(rig);
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	channels_free(rig->channels);
	event_base_free(rig->base);
	close(rig->port);
	close(rig->listener);
	(void)unlink(rig->path);
	(void)rmdir(rig->folder);
	free(rig);
	return 0;
}

__attribute__((format(printf, 2, 3))) static void say(struct rig *rig, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (int at = 0; at < n;) {
		ssize_t written = write(rig->port, text + at, (size_t)(n - at));

		if (written > 0)
			at += (int)written;
		else
			event_base_loop(rig->base, EVLOOP_NONBLOCK); /* it is full */
	}
}

static void a_beat_is_passed_on_and_answered(void **state)
{
	struct rig *rig = *state;
	char line[256];

	say(rig, "\n" BEAT, 7);
	hear(rig, line, sizeof(line));
	assert_int_equal(rig->beats, 1);
	assert_int_equal(rig->seq, 7);
	assert_string_equal(line, "{\"type\":\"status\",\"state\":\"ok\",\"epoch\":4}");

	rig->beat_result = REFUSE_HOST_FENCED;
	while (rig->beats < 2) {
		say(rig, BEAT, 8); /* one that comes too soon is passed over */
		for (int i = 0; i < 20; i++) {
			event_base_loop(rig->base, EVLOOP_NONBLOCK);
			usleep(500);
		}
	}
	hear(rig, line, sizeof(line));
	assert_string_equal(line, "{\"type\":\"status\",\"state\":\"fenced\",\"epoch\":4}");
}

static void beats_that_come_in_a_flood_are_passed_over(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 300; i++)
		say(rig, BEAT, i);
	say(rig, VIEW, 1);
	UNTIL(rig, rig->views == 1);

	assert_in_range(rig->beats, 1, 100);
}

#define WHO "\"host\":\"bay1\",\"boot_id\":\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\""

static void who_leaves_is_heard_however_close_behind_a_beat(void **state)
{
	struct rig *rig = *state;
	char line[256];

	say(rig, "{\"type\":\"beat\"," WHO ",\"seq\":7}\n"
		 "{\"type\":\"leaving\"," WHO ",\"seq\":8}\n");
	UNTIL(rig, rig->leavings == 1);

	assert_int_equal(rig->seq, 8);
	hear(rig, line, sizeof(line));
	hear(rig, line, sizeof(line));
	assert_string_equal(line, "{\"type\":\"status\",\"state\":\"fenced\",\"epoch\":5}");
}

static void s14_an_epoch_is_told_on_only_from_our_own_database(void **state)
{
	struct rig *rig = *state;
	char line[256];
	char manager[256];

	say(rig, "{\"type\":\"told\"," WHO ",\"epoch\":0}\n"
		 "{\"type\":\"told\"," WHO ",\"epoch\":9,\"incarnation\":\"00000000000000aa\"}\n");
	(void)snprintf(manager, sizeof(manager),
		       "{\"type\":\"manager\",\"incarnation\":\"%016" PRIx64 "\"}",
		       agent_incarnation("db"));
	for (int i = 0; i < 2; i++) {
		hear(rig, line, sizeof(line));
		assert_string_equal(line, manager);
	}
	assert_int_equal(rig->tellings, 0);

	say(rig, "{\"type\":\"told\"," WHO ",\"epoch\":9,\"incarnation\":\"%016" PRIx64 "\"}\n",
	    agent_incarnation("db"));
	UNTIL(rig, rig->tellings == 1);
	assert_int_equal(rig->told_epoch, 9);
}

static void what_an_agent_claims_is_passed_on(void **state)
{
	struct rig *rig = *state;

	say(rig, "{\"type\":\"stopped\"," WHO
		 ",\"epoch\":4,\"stopped\":8,\"still\":1,\"text\":\"busy\"}\n");
	UNTIL(rig, rig->claims == 1);

	assert_int_equal(rig->claim.epoch, 4);
	assert_int_equal(rig->claim.stopped, 8);
	assert_int_equal(rig->claim.still, 1);
	assert_string_equal(rig->claim.text, "busy");
}

static void garbage_costs_itself_and_no_more(void **state)
{
	struct rig *rig = *state;
	char *junk = malloc(100000);
	ssize_t sent = 0;

	memset(junk, '{', 100000);
	say(rig, "\x01\xff nonsense\n{\"type\":\"beat\"}\n{\"type\":\"status\",\"state\":\"ok\","
		 "\"epoch\":1}\n");
	while (sent < 100000) {
		ssize_t n = write(rig->port, junk + sent, (size_t)(100000 - sent));

		if (n > 0)
			sent += n;
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	}
	free(junk);
	say(rig, "\n" BEAT, 3);
	UNTIL(rig, rig->beats == 1);

	assert_int_equal(rig->seq, 3);
	assert_int_equal(rig->hints, 0);
}

static void another_hosts_name_is_not_believed(void **state)
{
	struct rig *rig = *state;

	say(rig,
	    "{\"type\":\"beat\",\"host\":\"bay2\"," BOOT ",\"seq\":1}\n"
	    "{\"type\":\"seen\",\"host\":\"bay2\"," BOOT ",\"functions\":[]}\n" BEAT,
	    2);
	UNTIL(rig, rig->beats == 1);

	assert_int_equal(rig->seq, 2);
	assert_int_equal(rig->views, 0);
}

static void of_views_in_a_flood_the_first_and_the_last_count(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 8; i++)
		say(rig, VIEW, i);
	UNTIL(rig, !strcmp(rig->address, "0000:05:00.7"));

	assert_in_range(rig->views, 2, 4);
}

static const struct agent_line leave = { .type = AGENT_LEAVE,
					 .id = 5,
					 .has_slot = true,
					 .slot = 16,
					 .function = "nvme-0001",
					 .deadline_ms = 1000 };

static void a_question_is_asked_and_its_answer_taken_once(void **state)
{
	struct rig *rig = *state;
	char line[256];

	assert_int_equal(channels_ask(rig->channels, "bay1", &leave),
			 -ENOTCONN); /* not heard yet */
	say(rig, BEAT, 1);
	hear(rig, line, sizeof(line));
	assert_int_equal(channels_ask(rig->channels, "bay2", &leave), -ENOTCONN);
	assert_int_equal(channels_ask(rig->channels, "bay1", &leave), 0);
	hear(rig, line, sizeof(line));
	assert_string_equal(line,
			    "{\"type\":\"leave\",\"id\":5,\"slot\":16,\"function\":\"nvme-0001\","
			    "\"deadline_ms\":1000}");

	say(rig,
	    "{\"type\":\"left\",\"id\":6,\"outcome\":\"done\"}\n"
	    "{\"type\":\"left\",\"id\":5,\"outcome\":\"refused\",\"text\":\"busy\"}\n"
	    "{\"type\":\"left\",\"id\":5,\"outcome\":\"done\"}\n" VIEW,
	    1);
	UNTIL(rig, rig->views == 1);

	assert_int_equal(rig->lefts, 1);
	assert_int_equal(rig->left.outcome, AGENT_LEFT_REFUSED);
	assert_string_equal(rig->left.text, "busy");
}

static void who_is_silent_is_asked_nothing(void **state)
{
	struct rig *rig = *state;
	char line[256];
	uint64_t heard_ms;

	rig->config.beat_interval_ms = 10;
	rig->config.beat_missed = 3;
	assert_int_equal(channels_configure(rig->channels, &rig->config), 0);
	say(rig, BEAT, 1);
	hear(rig, line, sizeof(line));
	heard_ms = clock_boot_ms();
	UNTIL(rig, clock_boot_ms() > heard_ms + 40);

	assert_int_equal(channels_ask(rig->channels, "bay1", &leave), -ENOTCONN);
}

static void who_does_not_read_is_asked_nothing_more(void **state)
{
	struct rig *rig = *state;
	char line[256];
	int asked = 0;

	say(rig, BEAT, 1);
	hear(rig, line, sizeof(line));
	while (!channels_ask(rig->channels, "bay1", &leave)) {
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		assert_true(++asked < 100000);
	}
	assert_true(asked > 100);
}

static void end_of_file_is_a_hint_and_the_port_is_sought_again(void **state)
{
	struct rig *rig = *state;

	say(rig, "half a line");
	close(rig->port);
	UNTIL(rig, rig->hints == 1);
	assert_int_equal(channels_ask(rig->channels, "bay1", &leave), -ENOTCONN);

	UNTIL(rig, accepted(rig));
	say(rig, BEAT, 9);
	UNTIL(rig, rig->beats == 1);
	assert_int_equal(rig->hints, 1);
}

static void a_port_that_is_not_there_is_no_hint_and_power_is_a_reason_to_look(void **state)
{
	struct rig *rig = *state;
	uint64_t end_ms;

	close(rig->listener);
	(void)unlink(rig->path);
	close(rig->port);
	UNTIL(rig, rig->hints == 1);
	end_ms = clock_boot_ms() + 400; /* some tries in vain */
	UNTIL(rig, clock_boot_ms() > end_ms);
	assert_int_equal(rig->hints, 1);

	listen_at(rig);
	channels_wake(rig->channels, "bay1");
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_true(accepted(rig));
}

static void another_configuration_keeps_what_is_the_same(void **state)
{
	struct rig *rig = *state;
	char byte;

	assert_int_equal(channels_configure(rig->channels, &rig->config), 0);
	say(rig, BEAT, 1);
	UNTIL(rig, rig->beats == 1);

	rig->config.hosts[0].serial[0] = '\0';
	assert_int_equal(channels_configure(rig->channels, &rig->config), 0);
	UNTIL(rig, read(rig->port, &byte, 1) == 0);
	assert_int_equal(rig->hints, 0); /* our own doing */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_beat_is_passed_on_and_answered),
		TEST(beats_that_come_in_a_flood_are_passed_over),
		TEST(who_leaves_is_heard_however_close_behind_a_beat),
		TEST(s14_an_epoch_is_told_on_only_from_our_own_database),
		TEST(what_an_agent_claims_is_passed_on),
		TEST(garbage_costs_itself_and_no_more),
		TEST(another_hosts_name_is_not_believed),
		TEST(of_views_in_a_flood_the_first_and_the_last_count),
		TEST(a_question_is_asked_and_its_answer_taken_once),
		TEST(who_is_silent_is_asked_nothing),
		TEST(who_does_not_read_is_asked_nothing_more),
		TEST(end_of_file_is_a_hint_and_the_port_is_sought_again),
		TEST(a_port_that_is_not_there_is_no_hint_and_power_is_a_reason_to_look),
		TEST(another_configuration_keeps_what_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
