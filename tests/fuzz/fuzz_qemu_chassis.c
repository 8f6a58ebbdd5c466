/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chassis file of any bytes is read or refused with a reason; what was read keeps what it says.
 */
#include <assert.h>
#include <string.h>

#include "provider/qemu/chassis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hosts_check(const struct qemu_chassis *c)
{
	assert(c->host_count && c->host_count <= QEMU_HOSTS_MAX && c->switch_count);
	for (size_t i = 0; i < c->host_count; i++) {
		const struct qemu_host *h = &c->hosts[i];

		assert(h->bay[0] && h->qmp[0] && h->port);
		assert(h->vports && h->vports <= PROVIDER_VPORTS_MAX);
		assert(h->switch_handle && h->switch_handle <= c->switch_count);
	}
}

static void adapters_check(const struct qemu_chassis *c)
{
	for (size_t i = 0; i < c->adapter_count; i++) {
		const struct qemu_adapter *a = &c->adapters[i];

		assert(a->device && strlen(a->key) == 8 && a->port);
		assert(a->device->back != QEMU_BACK_IMAGE || (a->serial[0] && a->file[0]));
		assert(a->device->back != QEMU_BACK_NET || (a->mac && a->net));
		for (size_t k = 0; k < i; k++)
			assert(strcmp(a->key, c->adapters[k].key) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(qemu_chassis_free) struct qemu_chassis *chassis = NULL;
	char error[OBJECT_ERROR_MAX] = "";
	int r = qemu_chassis_parse((const char *)data, size, "fuzz", "/folder", &chassis, error);

	if (r) {
		assert(error[0] && !chassis);
		return 0;
	}
	hosts_check(chassis);
	adapters_check(chassis);
	return 0;
}
