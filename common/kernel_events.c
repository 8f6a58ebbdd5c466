/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/kernel_events.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUP_KERNEL = 1 }; /* the kernel's own events, not those that udev has gone over */

int kernel_events_open(int bytes, int *out)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int r;

	if (fd < 0)
		return -errno;
	/* forced, where the right is there; else as much as one may */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		r = -errno;
		(void)close(fd); /* the error is what counts */
		return r;
	}
	*out = fd;
	return 0;
}
