/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_RIGHTS                                                    \
	((uint64_t)1 << CAP_SYS_ADMIN | (uint64_t)1 << CAP_NET_ADMIN | \
	 (uint64_t)1 << CAP_DAC_OVERRIDE)

static int sets_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t kept = (uint32_t)(KEPT_RIGHTS >> 32 * i);

		data[i].permitted &= kept;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int pci_rights_drop(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	for (unsigned long right = 0; prctl(PR_CAPBSET_READ, right, 0, 0, 0) >= 0; right++)
		/* without CAP_SETPCAP the set stays, and no_new_privs makes it of no use */
		if (!(KEPT_RIGHTS >> right & 1) && prctl(PR_CAPBSET_DROP, right, 0, 0, 0) &&
		    errno != EPERM)
			return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	return sets_drop();
}
