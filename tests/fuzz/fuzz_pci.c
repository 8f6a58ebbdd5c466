/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel, a controller or a file tells fabric-provider-pci: the first byte chooses which
 * reader gets the rest. */
#include <stdlib.h>
#include <string.h>

#include "provider/pci/nvme_virt.h"
#include "provider/pci/state.h"
#include "provider/pci/sysfs.h"
#include "provider/pci/uevent.h"
#include "provider/pci/vf_mac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), in every build: a finding must stop the fuzzer. */
#define REQUIRE(claim)           \
	do {                     \
		if (!(claim))    \
			abort(); \
	} while (0)

static void uevent_try(const uint8_t *data, size_t size)
{
	struct uevent event;

	if (uevent_parse(data, size, &event))
		return;
	REQUIRE(memchr(event.driver, '\0', sizeof(event.driver)));
	REQUIRE(!event.is_pci || topo_address_is_possible(&event.address));
}

static void aer_try(const uint8_t *data, size_t size)
{
	uint64_t total = 0;

	REQUIRE(!sysfs_aer_parse((const char *)data, size, &total) || !total);
}

static void state_try(const uint8_t *data, size_t size)
{
	OWNED(buf_done) struct buf b = { 0 };
	static struct pci_state state;
	static struct pci_state again;
	char why[160];

	if (pci_state_parse((const char *)data, size, &state, why))
		return;
	pci_state_format(&state, &b);
	REQUIRE(!b.failed);
	REQUIRE(!pci_state_parse((const char *)b.data, b.length, &again, why));
	REQUIRE(state.count == again.count);
}

/* A controller that answers with what stands in the file, over and over. */
static int run(void *arg, struct nvme_command *c)
{
	struct {
		const uint8_t *data;
		size_t size;
		size_t at;
	} *from = arg;

	for (uint32_t i = 0; i < c->length; i++)
		((uint8_t *)c->data)[i] = from->size ? from->data[from->at++ % from->size] : 0;
	return 0;
}

static void nvme_try(const uint8_t *data, size_t size)
{
	struct {
		const uint8_t *data;
		size_t size;
		size_t at;
	} from = { .data = data, .size = size };
	const struct nvme_admin admin = { .run = run, .arg = &from };
	char why[160] = "";

	REQUIRE(!nvme_vfs_ready(&admin, 0, size & 0xff, why) || why[0]);
}

static void vf_mac_try(const uint8_t *data, size_t size)
{
	struct identity identity = { 0 };

	REQUIRE(!vf_mac_parse(data, size, 0, &identity) || !identity.mac);
	REQUIRE(!(identity.mac >> 48) && identity.vlan <= 4094);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = { uevent_try, aer_try, state_try,
								  nvme_try, vf_mac_try };

	if (size)
		tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](data + 1, size - 1);
	return 0;
}
