/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/beat_datagram.h"
#include "common/clock.h"
#include "fabricd/datagrams.h"
#include "fabricd/sessions.h"
#include "until.h"

static const uint8_t key[DATAGRAM_KEY] = "0123456789abcdef0123456789abcde";

struct rig {
	struct event_base *base;
	struct config config;
	struct datagrams *datagrams;
	char folder[64];
	char path[96];
	char keys[96];
	int agent;
	int result;
	unsigned beats;
	uint64_t seq;
	uint64_t received_ms;
	unsigned kinds[BEAT_KINDS];
	char way[BEAT_WAY_MAX];
	char boot_id[40];
	unsigned told;
	uint64_t told_epoch;
	unsigned port;
	unsigned claims;
	struct agent_line claim;
};

static void on_stopped(void *arg, const char *host, const struct agent_line *stopped)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->claims++;
	rig->claim = *stopped;
}

static void on_heard(void *arg, const char *host, const char *way, enum beat_kind kind,
		     uint64_t received_ms)
{
	struct rig *rig = arg;

	(void)received_ms;
	assert_string_equal(host, "bay1");
	(void)snprintf(rig->way, sizeof(rig->way), "%s", way);
	rig->kinds[kind]++;
}

static int on_beat(void *arg, const char *host, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	(void)snprintf(rig->boot_id, sizeof(rig->boot_id), "%s", boot_id);
	rig->beats++;
	rig->seq = seq;
	rig->received_ms = received_ms;
	*epoch = 4;
	return rig->result;
}

static void on_told(void *arg, const char *host, uint64_t epoch)
{
	struct rig *rig = arg;

	assert_string_equal(host, "bay1");
	rig->told++;
	rig->told_epoch = epoch;
}

static void key_write(const char *path)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(key, 1, sizeof(key), file), sizeof(key));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* One that nobody has; nobody else will take it before we do, or the test says so. */
static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct channel_sink sink = { .beat = on_beat,
					   .told = on_told,
					   .stopped = on_stopped,
					   .heard = on_heard,
					   .arg = rig };
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned port = free_port();
	char why[512];

	*state = rig;
	rig->port = port;
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/fabric-udp-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/key", rig->folder);
	(void)snprintf(rig->keys, sizeof(rig->keys), "%s/keys", rig->folder);
	key_write(rig->path);
	config_init(&rig->config);
	(void)snprintf(rig->config.udp, sizeof(rig->config.udp), "127.0.0.1:%u", port);
	rig->config.host_count = 2;
	(void)snprintf(rig->config.hosts[0].name, CONFIG_TEXT_MAX, "bay1");
	(void)snprintf(rig->config.hosts[0].key_file, CONFIG_TEXT_MAX, "%s", rig->path);
	(void)snprintf(rig->config.hosts[1].name, CONFIG_TEXT_MAX, "bay2");
	(void)snprintf(rig->config.hosts[1].key_file, CONFIG_TEXT_MAX, "%s/none", rig->folder);
	rig->base = event_base_new();
	if (datagrams_new(rig->base, &rig->config, "db", rig->keys, &sink, why, &rig->datagrams))
		fail_msg("%s", why);
	rig->agent = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(rig->agent, (struct sockaddr *)&to, sizeof(to)), 0);
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;
	char file[160];

	datagrams_free(rig->datagrams);
	event_base_free(rig->base);
	close(rig->agent);
	(void)unlink(rig->path);
	(void)snprintf(file, sizeof(file), "%s/%016" PRIx64 ".key", rig->keys,
		       datagram_host_hash("bay1"));
	(void)unlink(file);
	(void)rmdir(rig->keys);
	(void)rmdir(rig->folder);
	free(rig);
	return 0;
}

static struct datagram beat(uint64_t seq)
{
	struct datagram d = { .type = DATAGRAM_BEAT,
			      .host = datagram_host_hash("bay1"),
			      .seq = seq };

	assert_int_equal(datagram_boot_id_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", d.boot_id),
			 0);
	return d;
}

static void send_sealed(struct rig *rig, const struct datagram *d, const uint8_t *with)
{
	uint8_t bytes[DATAGRAM_SIZE];

	datagram_seal(d, with, bytes);
	assert_int_equal(send(rig->agent, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static struct datagram answer_of(struct rig *rig)
{
	uint8_t bytes[256];
	struct datagram d;
	ssize_t n = 0;

	UNTIL(rig, (n = recv(rig->agent, bytes, sizeof(bytes), 0)) > 0);
	assert_int_equal(datagram_open(bytes, (size_t)n, key, &d), 0);
	return d;
}

/* Answers the challenge to a beat of number @seq, with the next number. */
static void prove_as(struct rig *rig, uint8_t boot, uint64_t seq)
{
	struct datagram d = beat(seq);
	struct datagram back;

	d.boot_id[0] ^= boot;
	send_sealed(rig, &d, key);
	back = answer_of(rig);
	assert_int_equal(back.type, DATAGRAM_CHALLENGE);
	assert_true(back.nonce != 0);
	d.type = DATAGRAM_RESPONSE;
	d.seq = seq + 1;
	d.nonce = back.nonce;
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).seq, seq + 1);
	usleep(6000); /* beats that are closer together than 5 ms count as one */
	rig->beats = 0;
	memset(rig->kinds, 0, sizeof(rig->kinds));
}

static void prove(struct rig *rig)
{
	prove_as(rig, 0, 1);
}

static void a_beat_is_passed_on_with_its_time_and_answered(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(7);
	uint64_t before_ms = clock_boot_ms();
	struct datagram back;

	prove(rig);
	send_sealed(rig, &d, key);
	back = answer_of(rig);

	assert_int_equal(rig->seq, 7);
	assert_in_range(rig->received_ms, before_ms - 1, clock_boot_ms());
	assert_int_equal(back.type, DATAGRAM_STATUS);
	assert_int_equal(back.seq, 7);
	assert_int_equal(back.epoch, 4);
	assert_true(back.incarnation == datagram_host_hash("db"));
	assert_memory_equal(back.boot_id, d.boot_id, sizeof(d.boot_id));
}

static void a_fenced_host_is_told_so(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(7);

	prove(rig);
	rig->result = REFUSE_HOST_FENCED;
	send_sealed(rig, &d, key);

	assert_int_equal(answer_of(rig).type, DATAGRAM_FENCED);
}

/* S3: what lies unread while the manager stands still keeps the time at which it came. */
static void s3_a_beat_that_waited_is_as_old_as_it_is(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(3);
	uint64_t sent_ms;
	uint64_t end_ms;

	prove(rig);
	sent_ms = clock_boot_ms();
	end_ms = sent_ms + 300;
	send_sealed(rig, &d, key);
	while (clock_boot_ms() < end_ms)
		usleep(1000);
	UNTIL(rig, rig->beats == 1);

	assert_in_range(rig->received_ms, sent_ms - 1, end_ms - 100);
}

static void
s2_a_wall_clock_that_jumps_makes_no_beat_older_than_the_queue_nor_newer_than_now(void **state)
{
	const uint64_t second = 1000000000U;

	(void)state;
	/* as it should be */
	assert_int_equal(sessions_received_ms(10000, 100 * second, 99 * second, 5000), 9000);
	/* set forward by an hour between arrival and reading */
	assert_int_equal(sessions_received_ms(10000, 3700 * second, 99 * second, 9500), 9500);
	/* set back */
	assert_int_equal(sessions_received_ms(10000, 50 * second, 99 * second, 9500), 10000);
	/* no stamp */
	assert_int_equal(sessions_received_ms(10000, 50 * second, 0, 9500), 10000);
	/* clocks that make no sense */
	assert_int_equal(sessions_received_ms(10000, 100 * second, 1, 20000), 10000);
}

static void what_is_forged_is_neither_passed_on_nor_answered(void **state)
{
	static const uint8_t other[DATAGRAM_KEY] = "another key";
	struct rig *rig = *state;
	struct datagram d = beat(1);
	struct datagram good = beat(9);
	uint8_t byte;

	prove(rig);
	send_sealed(rig, &d, other);
	d.type = DATAGRAM_STATUS; /* one of our own, sent back */
	send_sealed(rig, &d, key);
	d = beat(2);
	d.host = datagram_host_hash("bay2"); /* its key could not be read */
	send_sealed(rig, &d, key);
	d.host = datagram_host_hash("bay3");
	send_sealed(rig, &d, key);
	assert_int_equal(send(rig->agent, "x", 1, 0), 1);
	assert_int_equal(send(rig->agent, "", 0, 0), 0);
	send_sealed(rig, &good, key);

	assert_int_equal(answer_of(rig).seq, 9);
	assert_int_equal(rig->beats, 1);
	assert_int_equal(recv(rig->agent, &byte, 1, 0), -1);
}

static void a_flood_is_taken_in_whole_before_the_loop_goes_on(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(1);
	struct datagram last = beat(500);
	static const uint8_t other[DATAGRAM_KEY] = "another key";

	prove(rig);
	for (int i = 0; i < 400; i++)
		send_sealed(rig, &d, other);
	send_sealed(rig, &last, key);

	event_base_loop(rig->base, EVLOOP_NONBLOCK);

	assert_int_equal(rig->beats, 1);
	assert_int_equal(rig->seq, 500);
}

static void keys_are_read_again_with_the_configuration(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(1);

	rig->config.hosts[0].key_file[0] = '\0';
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);
	send_sealed(rig, &d, key);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->beats, 0);

	(void)snprintf(rig->config.hosts[0].key_file, CONFIG_TEXT_MAX, "%s", rig->path);
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);
	send_sealed(rig, &d, key);
	UNTIL(rig, rig->kinds[BEAT_CHALLENGED] == 1);
}

static void a_boot_that_has_not_answered_a_challenge_does_not_count(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(7);
	struct datagram back;

	send_sealed(rig, &d, key);
	back = answer_of(rig);
	assert_int_equal(back.type, DATAGRAM_CHALLENGE);
	assert_int_equal(rig->beats, 0);
	assert_int_equal(rig->kinds[BEAT_CHALLENGED], 1);

	d.type = DATAGRAM_RESPONSE;
	d.seq = 8;
	d.nonce = back.nonce ^ 1;
	send_sealed(rig, &d, key);
	UNTIL(rig, rig->kinds[BEAT_REPLAYED] == 1);
	assert_int_equal(rig->beats, 0);

	d.nonce = back.nonce;
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	assert_int_equal(rig->beats, 1);
	assert_int_equal(rig->seq, 8);
}

/* What was recorded under an earlier boot, its answer to a challenge with it. */
static void what_was_recorded_under_an_earlier_boot_is_replayed_in_vain(void **state)
{
	struct rig *rig = *state;
	struct datagram old = beat(90);
	struct datagram response = beat(2);
	struct datagram back;

	prove_as(rig, 0, 1);
	prove_as(rig, 1, 500);

	send_sealed(rig, &old, key);
	back = answer_of(rig);
	assert_int_equal(back.type, DATAGRAM_CHALLENGE);
	response.type = DATAGRAM_RESPONSE;
	response.nonce = 1234;
	send_sealed(rig, &response, key);
	UNTIL(rig, rig->kinds[BEAT_REPLAYED] == 2);
	assert_int_equal(rig->beats, 0);

	old = beat(502); /* the boot of now counts on, undisturbed */
	old.boot_id[0] ^= 1;
	send_sealed(rig, &old, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	assert_int_equal(rig->beats, 1);
}

/* The response was longer on its way than a beat that was said after it. */
static void what_came_before_its_boot_was_proved_does_not_count_when_it_comes_again(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(1);
	struct datagram later = beat(9);
	struct datagram next = beat(10);

	send_sealed(rig, &d, key);
	d = answer_of(rig);
	send_sealed(rig, &later, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_CHALLENGE);
	d.type = DATAGRAM_RESPONSE;
	d.seq = 2;
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).seq, 2);
	usleep(6000); /* beats that are closer together than 5 ms count as one */
	send_sealed(rig, &later, key);
	send_sealed(rig, &next, key);
	assert_int_equal(answer_of(rig).seq, 10);

	assert_int_equal(rig->beats, 2);
	assert_int_equal(rig->kinds[BEAT_DOUBLED], 1);
}

static void a_challenge_is_answered_once(void **state)
{
	struct rig *rig = *state;
	struct datagram first = beat(1);
	struct datagram other = beat(1);
	struct datagram back;

	other.boot_id[0] ^= 1;
	send_sealed(rig, &first, key);
	back = answer_of(rig);
	send_sealed(rig, &other, key);
	assert_true(answer_of(rig).nonce == back.nonce);
	first.type = DATAGRAM_RESPONSE;
	first.seq = 2;
	first.nonce = back.nonce;
	send_sealed(rig, &first, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	other.type = DATAGRAM_RESPONSE;
	other.seq = 2;
	other.nonce = back.nonce;
	send_sealed(rig, &other, key);
	UNTIL(rig, rig->kinds[BEAT_REPLAYED] == 1);

	assert_int_equal(rig->beats, 1);
	assert_string_equal(rig->boot_id, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

static void doubled_reordered_and_late_beats_are_told_apart(void **state)
{
	static const struct {
		uint64_t seq;
		enum beat_kind kind;
	} sent[] = { { 200, BEAT_COUNTED },   { 200, BEAT_DOUBLED },   { 199, BEAT_REORDERED },
		     { 199, BEAT_DOUBLED },   { 137, BEAT_REORDERED }, { 136, BEAT_LATE },
		     { 2, BEAT_LATE },        { 201, BEAT_COUNTED },   { 300, BEAT_COUNTED },
		     { 299, BEAT_REORDERED }, { 201, BEAT_LATE } };
	struct rig *rig = *state;

	prove(rig);
	for (size_t i = 0; i < sizeof(sent) / sizeof(*sent); i++) {
		struct datagram d = beat(sent[i].seq);
		unsigned before = rig->kinds[sent[i].kind];

		send_sealed(rig, &d, key);
		UNTIL(rig, rig->kinds[sent[i].kind] == before + 1);
	}
	assert_int_equal(rig->kinds[BEAT_FORGED], 0);
}

static void s14_an_epoch_is_told_on_only_from_our_own_database(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(10);

	prove(rig);
	d.epoch = 9;
	d.incarnation = datagram_host_hash("another");
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).seq, 10);
	assert_int_equal(rig->told, 0);
	usleep(6000);
	d.seq = 11;
	d.incarnation = datagram_host_hash("db");
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).seq, 11);
	assert_int_equal(rig->told, 1);
	assert_int_equal(rig->told_epoch, 9);
}

static void what_an_agent_claims_is_a_beat_and_is_passed_on(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(10);

	prove(rig);
	rig->result = REFUSE_HOST_FENCED;
	d.type = DATAGRAM_STOPPED;
	d.epoch = 4;
	d.nonce = datagram_claim(8, 1);
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_FENCED);
	assert_int_equal(rig->beats, 1);
	assert_int_equal(rig->claims, 1);
	assert_int_equal(rig->claim.epoch, 4);
	assert_int_equal(rig->claim.stopped, 8);
	assert_int_equal(rig->claim.still, 1);
	assert_string_equal(rig->claim.boot_id, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

/* The numbers rise over all networks together; none is silent because another is quicker. */
static void each_network_is_heard_by_itself(void **state)
{
	struct rig *rig = *state;
	const struct channel_sink sink = { .beat = on_beat,
					   .told = on_told,
					   .stopped = on_stopped,
					   .heard = on_heard,
					   .arg = rig };
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned second = free_port();
	struct datagram d = beat(51);
	char way[BEAT_WAY_MAX];
	char why[512];

	datagrams_free(rig->datagrams);
	rig->datagrams = NULL;
	(void)snprintf(rig->config.udp, sizeof(rig->config.udp), "127.0.0.1:%u, 127.0.0.1:%u",
		       rig->port, second);
	if (datagrams_new(rig->base, &rig->config, "db", rig->keys, &sink, why, &rig->datagrams))
		fail_msg("%s", why);
	prove(rig);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)second);
	assert_int_equal(connect(rig->agent, (struct sockaddr *)&to, sizeof(to)), 0);
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	(void)snprintf(way, sizeof(way), "udp 127.0.0.1:%u", second);
	assert_string_equal(rig->way, way);

	to.sin_port = htons((uint16_t)rig->port);
	assert_int_equal(connect(rig->agent, (struct sockaddr *)&to, sizeof(to)), 0);
	d.seq = 50;
	send_sealed(rig, &d, key);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	assert_int_equal(rig->kinds[BEAT_REORDERED], 1);
	(void)snprintf(way, sizeof(way), "udp 127.0.0.1:%u", rig->port);
	assert_string_equal(rig->way, way);
}

/* Under the boot that proved itself; @with: key it is sealed with. Whether it counts. */
static bool counts_under(struct rig *rig, uint64_t seq, const uint8_t *with)
{
	struct datagram d = beat(seq);
	unsigned beats = rig->beats;
	unsigned forged = rig->kinds[BEAT_FORGED];

	usleep(6000);
	send_sealed(rig, &d, with);
	UNTIL(rig, rig->beats > beats || rig->kinds[BEAT_FORGED] > forged);
	return rig->beats > beats;
}

/* The file that has it could not be written when it was given up. */
static void a_key_that_was_given_up_does_not_come_back(void **state)
{
	struct rig *rig = *state;
	struct host_keys keys = { .host = "bay1", .has_old = true };
	char text[HOST_KEY_TEXT];

	prove(rig);
	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", false, text), 0);
	assert_int_equal(datagram_key_parse((const uint8_t *)text, 64, keys.key), 0);
	memcpy(keys.old, key, sizeof(keys.old));
	assert_true(counts_under(rig, 10, keys.key));
	assert_false(counts_under(rig, 11, key));
	assert_int_equal(host_keys_store(rig->keys, &keys), 0);
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);

	assert_false(counts_under(rig, 12, key));
	assert_true(counts_under(rig, 13, keys.key));
}

static void a_key_changes_without_a_gap(void **state)
{
	struct rig *rig = *state;
	char text[HOST_KEY_TEXT];
	uint8_t first[DATAGRAM_KEY];
	uint8_t second[DATAGRAM_KEY];

	prove(rig);
	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", false, text), 0);
	assert_int_equal(datagram_key_parse((const uint8_t *)text, 64, first), 0);
	assert_true(counts_under(rig, 10, key));
	/* made again, before the agent had it: the one that the agent has stays */
	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", false, text), -EBUSY);
	assert_true(counts_under(rig, 11, key));
	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", true, text), 0);
	assert_int_equal(datagram_key_parse((const uint8_t *)text, 64, second), 0);
	assert_false(counts_under(rig, 12, first));
	assert_true(counts_under(rig, 13, key));
	/* both are still there after the configuration was read again */
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);
	assert_true(counts_under(rig, 14, key));
	assert_true(counts_under(rig, 15, second));
	assert_false(counts_under(rig, 16, key));
	/* nor does the old one come back from the file */
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);
	assert_false(counts_under(rig, 17, key));
	assert_true(counts_under(rig, 18, second));
	/* that one is in use: another may be made */
	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", false, text), 0);
}

static void an_enrolled_key_is_its_owner_s_alone(void **state)
{
	struct rig *rig = *state;
	char text[HOST_KEY_TEXT];
	char file[160];
	struct stat st;

	assert_int_equal(datagrams_enroll(rig->datagrams, "bay1", false, text), 0);
	(void)snprintf(file, sizeof(file), "%s/%016" PRIx64 ".key", rig->keys,
		       datagram_host_hash("bay1"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(rig->keys, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* one that others can read is not taken: the configured key is, again */
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(datagrams_configure(rig->datagrams, &rig->config), 0);
	prove(rig);
}

static void an_address_that_is_none_is_refused(void **state)
{
	struct rig *rig = *state;
	const struct channel_sink sink = { .beat = on_beat,
					   .told = on_told,
					   .stopped = on_stopped,
					   .heard = on_heard,
					   .arg = rig };
	struct datagrams *other = NULL;
	char why[512] = "";

	(void)snprintf(rig->config.udp, sizeof(rig->config.udp), "nowhere:7");
	assert_int_equal(
		datagrams_new(rig->base, &rig->config, "db", rig->keys, &sink, why, &other),
		REFUSE_FIELD);
	assert_non_null(strstr(why, "nowhere:7"));
	assert_null(other);
}

static void s3_what_lies_unread_is_taken_in_before_a_verdict(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(7);

	prove(rig);
	send_sealed(rig, &d, key);
	assert_int_equal(rig->beats, 0);

	datagrams_drain(rig->datagrams);

	assert_int_equal(rig->beats, 1);
	assert_int_equal(rig->seq, 7);
}

/* Many close together are read from time to time, and each is heard and answered all the same. */
static void beats_that_come_close_together_are_all_heard(void **state)
{
	struct rig *rig = *state;

	prove(rig);
	for (uint64_t seq = 10; seq < 60; seq++) {
		struct datagram d = beat(seq);

		send_sealed(rig, &d, key);
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		usleep(200);
	}
	UNTIL(rig, rig->kinds[BEAT_COUNTED] == 50);
}

/* ---- a Unix socket ---- */

static const char *unix_path(struct rig *rig)
{
	(void)snprintf(rig->config.unix_path, sizeof(rig->config.unix_path), "%s/beats",
		       rig->folder);
	return rig->config.unix_path;
}

static int unix_listen(struct rig *rig, char why[512])
{
	const struct channel_sink sink = { .beat = on_beat,
					   .told = on_told,
					   .stopped = on_stopped,
					   .heard = on_heard,
					   .arg = rig };

	(void)unix_path(rig);
	(void)snprintf(rig->config.udp, sizeof(rig->config.udp), "none");
	datagrams_free(rig->datagrams);
	rig->datagrams = NULL;
	return datagrams_new(rig->base, &rig->config, "db", rig->keys, &sink, why, &rig->datagrams);
}

/* The agent's end is one that can be answered. */
static void unix_begin(struct rig *rig)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char why[512] = "";

	if (unix_listen(rig, why))
		fail_msg("%s", why);
	close(rig->agent);
	rig->agent = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig->agent, (struct sockaddr *)&to, sizeof(to.sun_family)), 0);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/beats", rig->folder);
	assert_int_equal(connect(rig->agent, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void s3_a_beat_by_a_unix_socket_is_as_old_as_it_is(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(3);
	char way[BEAT_WAY_MAX + 16];
	uint64_t sent_ms;

	unix_begin(rig);
	prove(rig);
	sent_ms = clock_boot_ms();
	send_sealed(rig, &d, key);
	while (clock_boot_ms() < sent_ms + 300)
		usleep(1000);
	UNTIL(rig, rig->beats == 1);

	assert_in_range(rig->received_ms, sent_ms - 1, sent_ms + 200);
	assert_int_equal(answer_of(rig).type, DATAGRAM_STATUS);
	(void)snprintf(way, sizeof(way), "unix %s/beats", rig->folder);
	assert_string_equal(rig->way, way);
}

static void by_a_unix_socket_who_cannot_be_answered_is_not_let_in(void **state)
{
	struct rig *rig = *state;
	struct datagram d = beat(3);
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	unix_begin(rig);
	close(rig->agent);
	rig->agent = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/beats", rig->folder);
	assert_int_equal(connect(rig->agent, (struct sockaddr *)&to, sizeof(to)), 0);
	send_sealed(rig, &d, key);
	UNTIL(rig, rig->kinds[BEAT_CHALLENGED] == 1);
	assert_int_equal(rig->beats, 0);
}

static void a_unix_socket_is_for_its_owner_and_group_and_goes_with_its_manager(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	unix_begin(rig);
	assert_int_equal(stat(rig->config.unix_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	datagrams_free(rig->datagrams);
	rig->datagrams = NULL;
	assert_int_equal(stat(rig->config.unix_path, &st), -1);
}

static void a_unix_socket_of_one_who_died_is_taken_over_and_no_other(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char why[512] = "";
	struct stat st;
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unix_path(rig);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/beats", rig->folder);
	assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(unix_listen(rig, why), -EADDRINUSE);
	assert_non_null(strstr(why, "heartbeat.unix"));
	close(other);
	assert_int_equal(unix_listen(rig, why), 0);
	datagrams_free(rig->datagrams);
	rig->datagrams = NULL;

	key_write(rig->config.unix_path); /* a file that is no socket stays */
	assert_int_equal(unix_listen(rig, why), -EADDRINUSE);
	assert_int_equal(stat(rig->config.unix_path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	(void)unlink(rig->config.unix_path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_beat_is_passed_on_with_its_time_and_answered),
		TEST(a_fenced_host_is_told_so),
		TEST(s3_a_beat_that_waited_is_as_old_as_it_is),
		cmocka_unit_test(
			s2_a_wall_clock_that_jumps_makes_no_beat_older_than_the_queue_nor_newer_than_now),
		TEST(what_is_forged_is_neither_passed_on_nor_answered),
		TEST(a_flood_is_taken_in_whole_before_the_loop_goes_on),
		TEST(keys_are_read_again_with_the_configuration),
		TEST(a_boot_that_has_not_answered_a_challenge_does_not_count),
		TEST(what_was_recorded_under_an_earlier_boot_is_replayed_in_vain),
		TEST(what_came_before_its_boot_was_proved_does_not_count_when_it_comes_again),
		TEST(a_challenge_is_answered_once),
		TEST(doubled_reordered_and_late_beats_are_told_apart),
		TEST(s14_an_epoch_is_told_on_only_from_our_own_database),
		TEST(what_an_agent_claims_is_a_beat_and_is_passed_on),
		TEST(each_network_is_heard_by_itself),
		TEST(a_key_changes_without_a_gap),
		TEST(a_key_that_was_given_up_does_not_come_back),
		TEST(an_enrolled_key_is_its_owner_s_alone),
		TEST(an_address_that_is_none_is_refused),
		TEST(s3_what_lies_unread_is_taken_in_before_a_verdict),
		TEST(beats_that_come_close_together_are_all_heard),
		TEST(s3_a_beat_by_a_unix_socket_is_as_old_as_it_is),
		TEST(by_a_unix_socket_who_cannot_be_answered_is_not_let_in),
		TEST(a_unix_socket_is_for_its_owner_and_group_and_goes_with_its_manager),
		TEST(a_unix_socket_of_one_who_died_is_taken_over_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
