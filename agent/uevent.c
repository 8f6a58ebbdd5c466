/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/kernel_events.h"

enum {
	MESSAGE_MAX = 16 * 1024,
	ROOM = 1 << 20, /* in the kernel: a rescan of a large bus comes at once */
};

static const char *const subsystems[] = { "pci", "net", "nvme", "block", "virtio", "fc_host" };

static void value_take(char *out, size_t size, const char *value, size_t length)
{
	if (length < size)
		(void)snprintf(out, size, "%.*s", (int)length, value);
}

static const char *key_value(const char *text, size_t length, const char *key, size_t *rest)
{
	size_t n = strlen(key);

	if (length <= n || memcmp(text, key, n) != 0)
		return NULL;
	*rest = length - n;
	return text + n;
}

int uevent_parse(const char *bytes, size_t length, struct uevent *out)
{
	struct uevent event = { 0 };
	const char *end = bytes + length;
	size_t head = strnlen(bytes, length);
	const char *at = memchr(bytes, '@', head);

	if (!at || at == bytes || head == length)
		return -EBADMSG;
	value_take(event.action, sizeof(event.action), bytes, (size_t)(at - bytes));
	for (at = bytes + head + 1; at < end;) {
		size_t n = strnlen(at, (size_t)(end - at));
		size_t rest = 0;
		const char *value = key_value(at, n, "SUBSYSTEM=", &rest);

		if (value)
			value_take(event.subsystem, sizeof(event.subsystem), value, rest);
		value = key_value(at, n, "PCI_SLOT_NAME=", &rest);
		if (value)
			value_take(event.address, sizeof(event.address), value, rest);
		at += n + 1;
	}
	*out = event;
	return 0;
}

bool uevent_matters(const struct uevent *event)
{
	for (size_t i = 0; i < sizeof(subsystems) / sizeof(*subsystems); i++)
		if (!strcmp(subsystems[i], event->subsystem))
			return true;
	return false;
}

int uevent_open(int *out)
{
	return kernel_events_open(ROOM, out);
}

int uevent_drain(int fd, bool *lost)
{
	char bytes[MESSAGE_MAX];
	struct sockaddr_nl from = { 0 };
	struct uevent event;
	int found = 0;

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), MSG_TRUNC, (struct sockaddr *)&from,
				     &size);

		if (n < 0 && errno == ENOBUFS) {
			*lost = true;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? found : -errno;
		if (size < sizeof(from) || from.nl_pid) /* anyone may send; only the kernel is 0 */
			continue;
		if ((size_t)n > sizeof(bytes))
			*lost = true;
		else if (!uevent_parse(bytes, (size_t)n, &event) && uevent_matters(&event))
			found++;
	}
}
