# SPDX-License-Identifier: GPL-2.0-only
# The version, for modinfo and for keel --version.
KEEL_VERSION := 0.1
