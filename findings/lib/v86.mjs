// SPDX-License-Identifier: GPL-2.0-only
//
// v86.mjs BUILD KERNEL WORDS - start a Multiboot KERNEL on the v86 in the folder BUILD, without a BIOS. What it writes to the first
// serial port goes to the file WORDS; the line status=0 ends it.
import { readFileSync, writeFileSync } from "node:fs";

const [build, kernel, file] = process.argv.slice(2);
const { V86 } = await import(`${build}/libv86.mjs`);
const machine = new V86({
	wasm_path: `${build}/v86.wasm`,
	memory_size: 64 << 20,
	vga_memory_size: 2 << 20,
	disable_speaker: true,
	autostart: true,
	multiboot: { buffer: new Uint8Array(readFileSync(kernel)).buffer },
});
let words = "";

machine.add_listener("serial0-output-byte", (byte) => {
	words += String.fromCharCode(byte);
	if (!words.endsWith("status=0\n"))
		return;
	writeFileSync(file, words);
	process.exit(0);
});
