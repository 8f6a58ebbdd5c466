/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's ways to fabricd, with their other ends in our hands. http.c is in scenario.cli. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>
#include <event2/event.h>

#include "agent/transport.h"
#include "agent_tree.h"
#include "common/beat_datagram.h"
#include "common/clock.h"
#include "until.h"

#define BOOT "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

static const uint8_t key[DATAGRAM_KEY] = "0123456789abcdef0123456789abcde";

struct rig {
	struct tree tree;
	struct event_base *base;
	struct transport *t;
	char where[128];
	char key_file[128];
	int other; /* master of the pseudo-terminal, or fabricd's socket */
	uint64_t seq;
	unsigned reached;
	unsigned statuses;
	bool is_fenced;
	uint64_t epoch;
	unsigned asked;
	uint64_t incarnation;
	struct agent_line leave;
	char heard[8192];
	size_t heard_length;
};

static void on_reached(void *arg, struct transport *t)
{
	struct rig *rig = arg;

	(void)t;
	rig->reached++;
}

static void on_status(void *arg, struct transport *t, bool is_fenced, uint64_t epoch,
		      uint64_t incarnation)
{
	struct rig *rig = arg;

	(void)t;
	rig->statuses++;
	rig->is_fenced = is_fenced;
	rig->epoch = epoch;
	rig->incarnation = incarnation;
}

static void on_told(void *arg, uint64_t *epoch, uint64_t *incarnation)
{
	const struct rig *rig = arg;

	*epoch = rig->epoch;
	*incarnation = rig->incarnation;
}

static void on_asked(void *arg, struct transport *t, const struct agent_line *leave)
{
	struct rig *rig = arg;

	(void)t;
	rig->asked++;
	rig->leave = *leave;
}

static uint64_t on_seq(void *arg)
{
	struct rig *rig = arg;

	return ++rig->seq;
}

static void turn(struct rig *rig, int times)
{
	for (int i = 0; i < times; i++) {
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		usleep(500);
	}
}

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*state = rig;
	tree_init(&rig->tree);
	rig->base = event_base_new();
	rig->other = -1;
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	if (rig->t)
		rig->t->ops->close(rig->t);
	event_base_free(rig->base);
	if (rig->other >= 0)
		close(rig->other);
	tree_done(&rig->tree);
	free(rig);
	return 0;
}

static int open_way(struct rig *rig, const struct transport_ops *ops)
{
	const struct transport_sink sink = { .reached = on_reached,
					     .status = on_status,
					     .told = on_told,
					     .asked = on_asked,
					     .seq = on_seq,
					     .arg = rig };
	const struct transport_config config = { .where = rig->where,
						 .key_file =
							 rig->key_file[0] ? rig->key_file : NULL,
						 .host = "bay1",
						 .boot_id = BOOT,
						 .sysfs = rig->tree.root,
						 .interval_ms = 100 };

	return ops->open(rig->base, &config, &sink, &rig->t);
}

/* ---- serial ---- */

/* A pseudo-terminal whose name is a link that stays when it is another one. */
static void line_lay(struct rig *rig)
{
	char name[64];
	int slave;

	assert_int_equal(openpty(&rig->other, &slave, name, NULL, NULL), 0);
	(void)fcntl(rig->other, F_SETFL, O_NONBLOCK);
	(void)snprintf(rig->where, sizeof(rig->where), "%s/port", rig->tree.root);
	(void)unlink(rig->where);
	assert_int_equal(symlink(name, rig->where), 0);
	close(slave);
	rig->heard_length = 0;
}

static void line_open(struct rig *rig)
{
	line_lay(rig);
	assert_int_equal(open_way(rig, &transport_serial), 0);
	UNTIL(rig, rig->reached == 1);
}

static bool hears(struct rig *rig, const char *text)
{
	ssize_t n = read(rig->other, rig->heard + rig->heard_length,
			 sizeof(rig->heard) - 1 - rig->heard_length);

	if (n > 0)
		rig->heard_length += (size_t)n;
	rig->heard[rig->heard_length] = '\0';
	return strstr(rig->heard, text) != NULL;
}

static void say(struct rig *rig, const char *text)
{
	assert_int_equal(write(rig->other, text, strlen(text)), strlen(text));
}

static void a_beat_is_one_line_and_its_answer_is_told(void **state)
{
	struct rig *rig = *state;

	line_open(rig);
	rig->t->ops->beat(rig->t);
	UNTIL(rig, hears(rig, "{\"type\":\"beat\",\"host\":\"bay1\",\"boot_id\":\"" BOOT
			      "\",\"seq\":1}\n"));
	assert_int_equal(rig->heard[0], '\n'); /* ends what half a line stood there */
	say(rig, "{\"type\":\"status\",\"state\":\"fenced\",\"epoch\":4}\n");
	UNTIL(rig, rig->statuses == 1);

	assert_true(rig->is_fenced);
	assert_int_equal(rig->epoch, 4);
}

static void a_manager_that_asks_is_told_all_again(void **state)
{
	struct rig *rig = *state;

	line_open(rig);
	say(rig, "{\"type\":\"report\"}\n");
	UNTIL(rig, rig->reached == 2);
}

static void requests_come_through_garbage_and_in_pieces(void **state)
{
	struct rig *rig = *state;

	line_open(rig);
	say(rig, "\x01\xff{{{\nhalf a line that goes on");
	turn(rig, 20);
	say(rig, " and on\n{\"type\":\"leave\",\"id\":7,");
	turn(rig, 20);
	assert_int_equal(rig->asked, 0);
	say(rig, "\"slot\":16,\"function\":\"nvme-1\",\"deadline_ms\":9}\n"
		 "{\"type\":\"beat\",\"host\":\"bay1\",\"boot_id\":\"" BOOT "\",\"seq\":1}\n");
	UNTIL(rig, rig->asked == 1);

	assert_int_equal(rig->leave.id, 7);
	assert_int_equal(rig->leave.slot, 16);
	assert_int_equal(rig->statuses, 0);
}

static void a_port_that_goes_is_opened_again_when_it_is_back(void **state)
{
	struct rig *rig = *state;

	line_open(rig);
	close(rig->other);
	(void)unlink(rig->where);
	UNTIL(rig, rig->t->away);
	rig->t->ops->beat(rig->t); /* one that cannot leave is missed, no more */

	line_lay(rig);
	UNTIL(rig, rig->reached == 2);
	rig->t->ops->beat(rig->t);
	UNTIL(rig, hears(rig, "\"seq\":2}"));
	assert_null(strstr(rig->heard, "\"seq\":1}"));
}

/* Reads until there is no more for a while. Return: bytes. */
static size_t drain(struct rig *rig, int fd)
{
	char bytes[4096];
	size_t total = 0;

	for (int quiet = 0; quiet < 40; quiet++) {
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n > 0) {
			total += (size_t)n;
			quiet = 0;
		}
		turn(rig, 1);
	}
	return total;
}

/* What the kernel keeps of a line that nobody reads. */
static size_t line_capacity(struct rig *rig)
{
	char bytes[64] = { 0 };
	int master;
	int slave;
	size_t n;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	(void)fcntl(master, F_SETFL, O_NONBLOCK);
	(void)fcntl(slave, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 10000; i++)
		(void)!write(slave, bytes, sizeof(bytes));
	n = drain(rig, master);
	close(master);
	close(slave);
	return n;
}

static void beats_do_not_queue_up_behind_one_who_does_not_read(void **state)
{
	struct rig *rig = *state;
	size_t capacity = line_capacity(rig);

	line_open(rig);
	for (int i = 0; i < 5000; i++)
		rig->t->ops->beat(rig->t);
	assert_int_equal(rig->seq, 5000);

	assert_in_range(drain(rig, rig->other), 1, capacity + 1024);
	rig->t->ops->beat(rig->t);
	UNTIL(rig, hears(rig, "\"seq\":5001}"));
}

static void what_is_told_while_nobody_is_there_is_not_taken(void **state)
{
	struct rig *rig = *state;
	const struct agent_line left = { .type = AGENT_LEFT, .id = 3 };

	(void)snprintf(rig->where, sizeof(rig->where), "nothing-of-that-name");
	assert_int_equal(open_way(rig, &transport_serial), 0);
	turn(rig, 20);

	assert_int_equal(rig->t->ops->report(rig->t, &left), -ENOTCONN);
	assert_true(rig->t->away);
	assert_int_equal(rig->reached, 0);
}

static void a_virtio_port_is_found_by_its_name(void **state)
{
	struct rig *rig = *state;
	char path[128];

	tree_file(&rig->tree, "class/virtio-ports/vport2p1/name", "ctl\n");
	tree_file(&rig->tree, "class/virtio-ports/vport2p2/name", "fabric\n");

	assert_int_equal(serial_port_find(rig->tree.root, "fabric", path), 0);
	assert_string_equal(path, "/dev/vport2p2");
	assert_int_equal(serial_port_find(rig->tree.root, "other", path), -ENOENT);
	assert_int_equal(serial_port_find("/nowhere", "fabric", path), -ENOENT);
	assert_int_equal(serial_port_find("/nowhere", "/dev/ttyS1", path), 0);
	assert_string_equal(path, "/dev/ttyS1");
}

/* ---- udp ---- */

static void key_write(struct rig *rig)
{
	FILE *file;

	(void)snprintf(rig->key_file, sizeof(rig->key_file), "%s/key", rig->tree.root);
	file = fopen(rig->key_file, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(key, 1, sizeof(key), file), sizeof(key));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(rig->key_file, 0600), 0);
}

static void udp_open(struct rig *rig)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);

	key_write(rig);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rig->other = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig->other, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(rig->other, (struct sockaddr *)&address, &length), 0);
	(void)snprintf(rig->where, sizeof(rig->where), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(open_way(rig, &transport_udp), 0);
}

static int unix_listen(struct rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", rig->where);
	(void)unlink(rig->where);
	rig->other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return bind(rig->other, (struct sockaddr *)&address, sizeof(address));
}

/* The beat that has come; our socket is connected to its sender. */
static struct datagram beat_of(struct rig *rig)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	uint8_t bytes[256];
	struct datagram d;
	ssize_t n = 0;

	UNTIL(rig, (n = recvfrom(rig->other, bytes, sizeof(bytes), 0, (struct sockaddr *)&from,
				 &length)) > 0);
	assert_int_equal(datagram_open(bytes, (size_t)n, key, &d), 0);
	assert_int_equal(connect(rig->other, (struct sockaddr *)&from, length), 0);
	return d;
}

static void answer(struct rig *rig, struct datagram d, enum datagram_type type)
{
	uint8_t bytes[DATAGRAM_SIZE];

	d.type = type;
	d.epoch = 4;
	datagram_seal(&d, key, bytes);
	assert_int_equal(send(rig->other, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static void a_beat_is_a_sealed_datagram_and_its_answer_is_told(void **state)
{
	struct rig *rig = *state;
	struct datagram d;

	udp_open(rig);
	rig->t->ops->beat(rig->t);
	d = beat_of(rig);
	assert_int_equal(d.type, DATAGRAM_BEAT);
	assert_true(d.host == datagram_host_hash("bay1"));
	assert_int_equal(d.seq, 1);
	answer(rig, d, DATAGRAM_FENCED);
	UNTIL(rig, rig->statuses == 1);

	assert_true(rig->is_fenced);
	assert_int_equal(rig->epoch, 4);
	rig->t->ops->beat(rig->t);
	assert_int_equal(beat_of(rig).epoch, 4); /* told back (S14) */
}

static void answers_to_what_was_not_sent_or_overtaken_are_not_believed(void **state)
{
	struct rig *rig = *state;
	struct datagram first;
	struct datagram second;
	struct datagram forged;

	udp_open(rig);
	rig->t->ops->beat(rig->t);
	first = beat_of(rig);
	rig->t->ops->beat(rig->t);
	second = beat_of(rig);
	forged = second;
	forged.seq = 77;
	answer(rig, forged, DATAGRAM_FENCED);
	forged = second;
	forged.boot_id[0] ^= 1; /* recorded in another life of this host */
	answer(rig, forged, DATAGRAM_FENCED);
	answer(rig, second, DATAGRAM_BEAT); /* its own, sent back */
	answer(rig, second, DATAGRAM_STATUS);
	answer(rig, first, DATAGRAM_FENCED); /* late */
	UNTIL(rig, rig->statuses == 1);
	turn(rig, 40);

	assert_int_equal(rig->statuses, 1);
	assert_false(rig->is_fenced);
}

static void a_challenge_is_answered_by_a_beat_with_its_nonce(void **state)
{
	struct rig *rig = *state;
	struct datagram asked;
	struct datagram d;

	udp_open(rig);
	rig->t->ops->beat(rig->t);
	asked = beat_of(rig);
	asked.nonce = 77;
	answer(rig, asked, DATAGRAM_CHALLENGE);
	d = beat_of(rig);
	assert_int_equal(d.type, DATAGRAM_RESPONSE);
	assert_true(d.nonce == 77);
	assert_int_equal(d.seq, 2);
	assert_memory_equal(d.boot_id, asked.boot_id, sizeof(d.boot_id));

	asked.boot_id[0] ^= 1; /* of another life of this host: it can prove nothing for that one */
	answer(rig, asked, DATAGRAM_CHALLENGE);
	turn(rig, 40);
	rig->t->ops->beat(rig->t);
	d = beat_of(rig);
	assert_int_equal(d.type, DATAGRAM_BEAT);
	assert_true(d.nonce == 0);
	assert_int_equal(d.seq, 3);
}

static void a_claim_takes_the_place_of_a_beat_until_it_is_answered(void **state)
{
	const struct agent_line claim = { .type = AGENT_STOPPED, .stopped = 8, .still = 1 };
	struct rig *rig = *state;
	struct datagram d;
	uint64_t stopped = 0;
	uint64_t still = 0;

	udp_open(rig);
	assert_int_equal(rig->t->ops->report(rig->t, &claim), 0);
	for (int i = 0; i < 2; i++) {
		rig->t->ops->beat(rig->t);
		d = beat_of(rig);
		assert_int_equal(d.type, DATAGRAM_STOPPED);
		datagram_claim_read(d.nonce, &stopped, &still);
		assert_int_equal(stopped, 8);
		assert_int_equal(still, 1);
	}
	answer(rig, d, DATAGRAM_FENCED);
	UNTIL(rig, rig->statuses == 1);
	rig->t->ops->beat(rig->t);
	d = beat_of(rig);
	assert_int_equal(d.type, DATAGRAM_BEAT);
	assert_true(d.nonce == 0);
}

/* One who does not know it counts it as a forgery. */
static void a_claim_that_is_never_answered_is_said_three_times(void **state)
{
	const struct agent_line claim = { .type = AGENT_STOPPED, .stopped = 8 };
	struct rig *rig = *state;
	unsigned claims = 0;

	udp_open(rig);
	assert_int_equal(rig->t->ops->report(rig->t, &claim), 0);
	for (int i = 0; i < 10; i++) {
		rig->t->ops->beat(rig->t);
		claims += beat_of(rig).type == DATAGRAM_STOPPED;
	}
	assert_int_equal(claims, 3);
}

static void by_a_unix_socket_beats_are_answered_and_go_on_when_the_manager_is_back(void **state)
{
	struct rig *rig = *state;

	key_write(rig);
	(void)snprintf(rig->where, sizeof(rig->where), "%s/b", rig->tree.root);
	assert_int_equal(open_way(rig, &transport_datagram), 0);
	rig->t->ops->beat(rig->t); /* nobody is there yet */
	for (int life = 0; life < 2; life++) {
		assert_int_equal(unix_listen(rig), 0);
		/* The first may find the manager before still, and be lost. */
		rig->t->ops->beat(rig->t);
		rig->t->ops->beat(rig->t);
		answer(rig, beat_of(rig), DATAGRAM_STATUS);
		UNTIL(rig, rig->statuses == (unsigned)life + 1);
		close(rig->other);
	}
	rig->other = -1;
	(void)unlink(rig->where);
}

static void nobody_there_is_said_once_and_beaten_at_all_the_same(void **state)
{
	struct rig *rig = *state;
	uint64_t seq;

	udp_open(rig);
	close(rig->other);
	rig->other = -1;
	for (int i = 0; i < 30; i++) {
		rig->t->ops->beat(rig->t);
		turn(rig, 2);
	}

	assert_true(rig->t->away);
	seq = rig->seq;
	rig->t->ops->beat(rig->t);
	assert_int_equal(rig->seq, seq + 1);
	assert_int_equal(rig->statuses, 0);
}

static void a_way_that_can_never_work_is_refused(void **state)
{
	static const char *const bad[] = { "nowhere:7", "127.0.0.1", "127.0.0.1:0", "" };
	struct rig *rig = *state;

	key_write(rig);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		(void)snprintf(rig->where, sizeof(rig->where), "%s", bad[i]);
		assert_int_equal(open_way(rig, &transport_udp), -EINVAL);
	}
	(void)snprintf(rig->where, sizeof(rig->where), "127.0.0.1:7");
	assert_int_equal(chmod(rig->key_file, 0644), 0);
	assert_int_equal(open_way(rig, &transport_udp), -EPERM);
	rig->key_file[0] = '\0';
	assert_int_equal(open_way(rig, &transport_udp), -EINVAL);
	assert_null(rig->t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_beat_is_one_line_and_its_answer_is_told),
		TEST(a_manager_that_asks_is_told_all_again),
		TEST(requests_come_through_garbage_and_in_pieces),
		TEST(a_port_that_goes_is_opened_again_when_it_is_back),
		TEST(beats_do_not_queue_up_behind_one_who_does_not_read),
		TEST(what_is_told_while_nobody_is_there_is_not_taken),
		TEST(a_virtio_port_is_found_by_its_name),
		TEST(a_beat_is_a_sealed_datagram_and_its_answer_is_told),
		TEST(a_challenge_is_answered_by_a_beat_with_its_nonce),
		TEST(answers_to_what_was_not_sent_or_overtaken_are_not_believed),
		TEST(a_claim_takes_the_place_of_a_beat_until_it_is_answered),
		TEST(a_claim_that_is_never_answered_is_said_three_times),
		TEST(by_a_unix_socket_beats_are_answered_and_go_on_when_the_manager_is_back),
		TEST(nobody_there_is_said_once_and_beaten_at_all_the_same),
		TEST(a_way_that_can_never_work_is_refused),
	};

	if (datagram_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
