/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
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

#include "common/buf.h"
#include "common/clock.h"
#include "common/cursor.h"
#include "common/identity.h"
#include "common/natural.h"
#include "common/unix_socket.h"

static void port_2_stands_before_port_10(void **unused)
{
	(void)unused;
	assert_true(natural_compare("sw0/p2", "sw0/p10") < 0);
	assert_true(natural_compare("bay9", "bay10") < 0);
	assert_true(natural_compare("nic-a/vf1", "nic-a/vf1") == 0);
	assert_true(natural_compare("bay", "bay1") < 0);
	assert_true(natural_compare("p02", "p2") != 0);
}

static void what_the_buffer_writes_the_cursor_reads(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct cursor c;
	char text[8];

	(void)unused;
	buf_le64(&b, 0x1122334455667788u);
	buf_text8(&b, "abc");
	buf_le32(&b, 7);
	c = (struct cursor){ .at = b.data, .end = b.data + b.length };

	assert_true(cursor_le64(&c) == 0x1122334455667788u);
	cursor_text(&c, text, sizeof(text));
	assert_string_equal(text, "abc");
	assert_int_equal(cursor_le32(&c), 7);
	assert_false(c.overrun);
	assert_ptr_equal(c.at, c.end);
}

static void a_text_that_does_not_fit_is_an_overrun(void **unused)
{
	const uint8_t bytes[] = { 3, 'a', 'b', 'c' };
	struct cursor c = { .at = bytes, .end = bytes + sizeof(bytes) };
	char text[3];

	(void)unused;
	cursor_text(&c, text, sizeof(text));
	assert_true(c.overrun);
	assert_string_equal(text, "");
}

static void a_mac_is_read_and_written_alike(void **unused)
{
	char text[IDENTITY_TEXT];
	uint64_t mac = 0;

	(void)unused;
	assert_int_equal(identity_mac_parse("02:FA:b0:00:00:01", &mac), 0);
	identity_mac_format(mac, text);
	assert_string_equal(text, "02:fa:b0:00:00:01");
}

static void a_mac_that_no_function_may_carry_is_refused(void **unused)
{
	static const char *const bad[] = { "",
					   "02:fa:b0:00:00",
					   "02:fa:b0:00:00:01:02",
					   "00:00:00:00:00:00",
					   "01:00:5e:00:00:01",
					   "02:fa:b0:00:00:0g",
					   "02fab0000001x" };
	uint64_t mac = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(identity_mac_parse(bad[i], &mac), REFUSE_FIELD);
	assert_true(mac == 0);
}

static void a_flaw_of_an_identity_says_what_it_is_and_what_is_expected(void **unused)
{
	(void)unused;
	assert_null(identity_mac_flaw("02:fa:b0:00:00:01"));
	assert_null(identity_wwn_flaw("0x500143800000000A"));
	assert_non_null(strstr(identity_mac_flaw("02:fa:b0:00:00"), "six pairs of hex digits"));
	assert_non_null(strstr(identity_mac_flaw("00:00:00:00:00:00"), "must not be all zero"));
	assert_non_null(strstr(identity_mac_flaw("01:00:5e:00:00:01"), "is a multicast address"));
	assert_non_null(strstr(identity_mac_flaw("ff:ff:ff:ff:ff:ff"), "first pair must be even"));
	assert_non_null(strstr(identity_wwn_flaw("50:01:43"), "eight pairs of hex digits"));
	assert_non_null(strstr(identity_wwn_flaw("0000000000000000"), "must not be all zero"));
}

static void a_wwn_is_read_with_and_without_colons(void **unused)
{
	char text[IDENTITY_TEXT];
	uint64_t a = 0;
	uint64_t b = 1;

	(void)unused;
	assert_int_equal(identity_wwn_parse("50:01:43:80:00:00:00:0a", &a), 0);
	assert_int_equal(identity_wwn_parse("0x500143800000000A", &b), 0);
	assert_true(a == b);
	identity_wwn_format(a, text);
	assert_string_equal(text, "50:01:43:80:00:00:00:0a");
	assert_int_equal(identity_wwn_parse("0000000000000000", &a), REFUSE_FIELD);
}

static void a_vlan_may_be_shared_and_a_mac_may_not(void **unused)
{
	const struct identity a = { .mac = 2, .vlan = 5 };
	const struct identity b = { .mac = 3, .vlan = 5 };
	const struct identity c = { .mac = 2 };

	(void)unused;
	assert_false(identity_is_clash(&a, &b));
	assert_true(identity_is_clash(&a, &c));
}

static void wall_time_is_written_in_utc(void **unused)
{
	char text[32];

	(void)unused;
	clock_wall_format(1000000001500u, text);
	assert_string_equal(text, "2001-09-09T01:46:41.500Z");
}

static void a_wait_is_told_in_seconds_and_microseconds(void **unused)
{
	struct timeval wait = clock_timeval(90061007);
	struct timeval past = clock_timeval_until(1);
	struct timeval far = clock_timeval_until(clock_boot_ms() + 3600000);

	(void)unused;
	assert_int_equal(wait.tv_sec, 90061);
	assert_int_equal(wait.tv_usec, 7000);
	assert_int_equal(past.tv_sec, 0);
	assert_int_equal(past.tv_usec, 0);
	assert_in_range(far.tv_sec, 3000, 3600);
}

static void a_socket_that_is_not_there_is_not_connected_to(void **unused)
{
	char path[200];
	int fd = -1;

	(void)unused;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(unix_socket_connect(path, &fd), -ENAMETOOLONG);
	assert_int_equal(unix_socket_connect("/nowhere/socket", &fd), -ENOENT);
	assert_int_equal(unix_socket_connect("/dev/null", &fd), -ECONNREFUSED);
	assert_int_equal(fd, -1);
}

static void a_connection_does_not_wait(void **unused)
{
	char folder[] = "/tmp/fabric-test-common-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int fd = -1;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);

	assert_int_equal(unix_socket_connect(address.sun_path, &fd), 0);
	assert_int_equal(read(fd, folder, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

	(void)close(fd);
	(void)close(listener);
	(void)unlink(address.sun_path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_2_stands_before_port_10),
		cmocka_unit_test(what_the_buffer_writes_the_cursor_reads),
		cmocka_unit_test(a_text_that_does_not_fit_is_an_overrun),
		cmocka_unit_test(a_mac_is_read_and_written_alike),
		cmocka_unit_test(a_mac_that_no_function_may_carry_is_refused),
		cmocka_unit_test(a_flaw_of_an_identity_says_what_it_is_and_what_is_expected),
		cmocka_unit_test(a_wwn_is_read_with_and_without_colons),
		cmocka_unit_test(a_vlan_may_be_shared_and_a_mac_may_not),
		cmocka_unit_test(wall_time_is_written_in_utc),
		cmocka_unit_test(a_wait_is_told_in_seconds_and_microseconds),
		cmocka_unit_test(a_socket_that_is_not_there_is_not_connected_to),
		cmocka_unit_test(a_connection_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
