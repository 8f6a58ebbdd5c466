# SPDX-License-Identifier: GPL-2.0-or-later
# The only place that knows libpci.
fabric_module(provider_pci pci.c FOLDER provider USES common topology LIBS PkgConfig::LIBPCI)
fabric_test(test_pci USES provider_pci)
