// The small programs of the sample images, as machine code: an image `FROM scratch` has no shell, and a sample that is
// made on any operating system with Node alone can ask for no compiler. Each line is one instruction: code | assembly.
//
// `storefront` is the entrypoint. The catalogue's header lists the sections that the first page needs; the program
// reads these by pread (so they are in the page cache when the first visitor comes), prints the last of them, which is the
// release line, and becomes the server: execve of /usr/local/bin/esbuild with its own arguments and environment.
//
// `rm` unlinks the paths that it is given: the Dockerfile's clean-up step.
// `reader` reads the files that it is given.
// System calls: Linux x86-64 (syscall_64.tbl) and arm64 (include/uapi/asm-generic/unistd.h).

const STRINGS = ['/data/current/catalogue.db', '/usr/local/bin/esbuild'];

const STOREFRONT = {
  amd64: `
    48 89 e3                 | mov rbx, rsp                  ; argc, argv, envp
    48 81 ec 00 00 10 00     | sub rsp, 0x100000             ; 1 MiB to read into
    b8 01 01 00 00           | mov eax, 257                  ; openat(AT_FDCWD, catalogue, O_RDONLY)
    bf 9c ff ff ff           | mov edi, -100
    48 8d 35 92 00 00 00     | lea rsi, [rip + catalogue]
    31 d2                    | xor edx, edx
    0f 05                    | syscall
    85 c0                    | test eax, eax
    78 7e                    | js fail
    41 89 c4                 | mov r12d, eax
    89 c7                    | mov edi, eax                  ; pread64(fd, header, 4096, 0)
    48 89 e6                 | mov rsi, rsp
    ba 00 10 00 00           | mov edx, 4096
    45 31 d2                 | xor r10d, r10d
    b8 11 00 00 00           | mov eax, 17
    0f 05                    | syscall
    4c 8b 6c 24 08           | mov r13, [rsp + 8]            ; how many sections
    4c 8d 74 24 10           | lea r14, [rsp + 16]           ; (offset, length) of each
    44 89 e7                 | next: mov edi, r12d           ; pread64(fd, section, length, offset)
    48 8d b4 24 00 10 00 00  | lea rsi, [rsp + 4096]
    4d 8b 16                 | mov r10, [r14]
    49 8b 56 08              | mov rdx, [r14 + 8]
    b8 11 00 00 00           | mov eax, 17
    0f 05                    | syscall
    49 83 c6 10              | add r14, 16
    49 ff cd                 | dec r13
    75 de                    | jnz next
    bf 01 00 00 00           | mov edi, 1                    ; write(1, last section, its length)
    48 8d b4 24 00 10 00 00  | lea rsi, [rsp + 4096]
    48 89 c2                 | mov rdx, rax
    b8 01 00 00 00           | mov eax, 1
    0f 05                    | syscall
    44 89 e7                 | mov edi, r12d                 ; close(fd)
    b8 03 00 00 00           | mov eax, 3
    0f 05                    | syscall
    48 8d 3d 3a 00 00 00     | lea rdi, [rip + server]       ; execve(server, argv, envp)
    48 8d 73 08              | lea rsi, [rbx + 8]
    48 8b 13                 | mov rdx, [rbx]
    48 8d 54 d3 10           | lea rdx, [rbx + rdx * 8 + 16]
    b8 3b 00 00 00           | mov eax, 59
    0f 05                    | syscall
    bf 01 00 00 00           | fail: mov edi, 1              ; exit(1)
    b8 3c 00 00 00           | mov eax, 60
    0f 05                    | syscall`,
  arm64: `
    f3 03 00 91              | mov x19, sp                   ; argc, argv, envp
    ff 03 44 d1              | sub sp, sp, #0x100, lsl #12   ; 1 MiB to read into
    60 0c 80 92              | mov x0, #-100                 ; openat(AT_FDCWD, catalogue, O_RDONLY)
    c1 04 00 10              | adr x1, catalogue
    02 00 80 d2              | mov x2, #0
    08 07 80 d2              | mov x8, #56
    01 00 00 d4              | svc #0
    e0 03 f8 37              | tbnz w0, #31, fail
    f4 03 00 2a              | mov w20, w0
    e1 03 00 91              | mov x1, sp                    ; pread64(fd, header, 4096, 0)
    02 00 82 d2              | mov x2, #4096
    03 00 80 d2              | mov x3, #0
    68 08 80 d2              | mov x8, #67
    01 00 00 d4              | svc #0
    f5 07 40 f9              | ldr x21, [sp, #8]             ; how many sections
    f6 43 00 91              | add x22, sp, #16              ; (offset, length) of each
    e0 03 14 2a              | next: mov w0, w20             ; pread64(fd, section, length, offset)
    e1 07 40 91              | add x1, sp, #1, lsl #12
    c3 0a c1 a8              | ldp x3, x2, [x22], #16
    68 08 80 d2              | mov x8, #67
    01 00 00 d4              | svc #0
    b5 06 00 f1              | subs x21, x21, #1
    41 ff ff 54              | b.ne next
    e2 03 00 aa              | mov x2, x0                    ; write(1, last section, its length)
    20 00 80 d2              | mov x0, #1
    e1 07 40 91              | add x1, sp, #1, lsl #12
    08 08 80 d2              | mov x8, #64
    01 00 00 d4              | svc #0
    e0 03 14 2a              | mov w0, w20                   ; close(fd)
    28 07 80 d2              | mov x8, #57
    01 00 00 d4              | svc #0
    00 02 00 70              | adr x0, server                ; execve(server, argv, envp)
    61 22 00 91              | add x1, x19, #8
    62 02 40 f9              | ldr x2, [x19]
    62 0e 02 8b              | add x2, x19, x2, lsl #3
    42 40 00 91              | add x2, x2, #16
    a8 1b 80 d2              | mov x8, #221
    01 00 00 d4              | svc #0
    20 00 80 d2              | fail: mov x0, #1              ; exit(1)
    a8 0b 80 d2              | mov x8, #93
    01 00 00 d4              | svc #0`,
};

const RM = {
  amd64: `
    48 8d 5c 24 10           | lea rbx, [rsp + 16]           ; argv + 1
    48 8b 33                 | next: mov rsi, [rbx]
    31 ff                    | xor edi, edi
    48 85 f6                 | test rsi, rsi
    74 1b                    | jz done
    bf 9c ff ff ff           | mov edi, -100                 ; unlinkat(AT_FDCWD, path, 0)
    31 d2                    | xor edx, edx
    b8 07 01 00 00           | mov eax, 263
    0f 05                    | syscall
    48 83 c3 08              | add rbx, 8
    bf 01 00 00 00           | mov edi, 1
    85 c0                    | test eax, eax
    74 db                    | jz next
    b8 3c 00 00 00           | done: mov eax, 60             ; exit(0), or 1 when a path could not be unlinked
    0f 05                    | syscall`,
  arm64: `
    f3 43 00 91              | add x19, sp, #16              ; argv + 1
    61 86 40 f8              | next: ldr x1, [x19], #8
    00 00 80 d2              | mov x0, #0
    01 01 00 b4              | cbz x1, done
    60 0c 80 92              | mov x0, #-100                 ; unlinkat(AT_FDCWD, path, 0)
    02 00 80 d2              | mov x2, #0
    68 04 80 d2              | mov x8, #35
    01 00 00 d4              | svc #0
    e9 03 00 aa              | mov x9, x0
    20 00 80 d2              | mov x0, #1
    e9 fe ff b4              | cbz x9, next
    a8 0b 80 d2              | done: mov x8, #93             ; exit(0), or 1 when a path could not be unlinked
    01 00 00 d4              | svc #0`,
};

const READER = `
    48 8d 5c 24 10           | lea rbx, [rsp + 16]           ; argv + 1
    48 81 ec 00 00 10 00     | sub rsp, 0x100000             ; 1 MiB to read into
    48 8b 33                 | next: mov rsi, [rbx]
    48 85 f6                 | test rsi, rsi
    74 40                    | jz done
    bf 9c ff ff ff           | mov edi, -100                 ; openat(AT_FDCWD, path, O_RDONLY)
    31 d2                    | xor edx, edx
    b8 01 01 00 00           | mov eax, 257
    0f 05                    | syscall
    85 c0                    | test eax, eax
    78 27                    | js fail
    41 89 c4                 | mov r12d, eax
    44 89 e7                 | more: mov edi, r12d           ; read(fd, buffer, 1 MiB) until its end
    48 89 e6                 | mov rsi, rsp
    ba 00 00 10 00           | mov edx, 0x100000
    31 c0                    | xor eax, eax
    0f 05                    | syscall
    48 85 c0                 | test rax, rax
    7f ec                    | jg more
    44 89 e7                 | mov edi, r12d                 ; close(fd)
    b8 03 00 00 00           | mov eax, 3
    0f 05                    | syscall
    48 83 c3 08              | add rbx, 8
    eb bf                    | jmp next
    bf 01 00 00 00           | fail: mov edi, 1
    eb 02                    | jmp exit
    31 ff                    | done: xor edi, edi
    b8 3c 00 00 00           | exit: mov eax, 60             ; exit(0), or 1 when a file could not be opened
    0f 05                    | syscall`;

/** The entrypoint of the sample as a static ELF executable for `amd64` or `arm64`. */
export const storefront = (architecture) => executable(architecture, STOREFRONT[architecture], STRINGS);

/** The sample's `rm` as a static ELF executable. */
export const rm = (architecture) => executable(architecture, RM[architecture], []);

/** A static program for amd64 that reads the files that it is given from beginning to end: the server of the small sample. */
export const reader = () => executable('amd64', READER, []);

/** One ELF header, one program header that maps the whole file readable and executable, then the code (ELF-64, System V ABI ch. 4 and 5). */
function executable(architecture, listing, strings) {
  const HEADERS = 64 + 56;
  const BASE = 0x400000n;
  const code = Buffer.concat([
    Buffer.from(
      listing
        .trim()
        .split('\n')
        .map((line) => line.split('|')[0].replaceAll(' ', ''))
        .join(''),
      'hex',
    ),
    ...strings.map((text) => Buffer.from(`${text}\0`)),
  ]);
  const file = Buffer.alloc(HEADERS + code.length);
  file.write('\x7fELF\x02\x01\x01', 'latin1'); // 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(architecture === 'arm64' ? 183 : 62, 18); // EM_AARCH64, EM_X86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // entry
  file.writeBigUInt64LE(64n, 32); // where the program headers are
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(BASE, 80);
  file.writeBigUInt64LE(BASE, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x10000n, 112); // aligned to the largest page size of arm64
  code.copy(file, HEADERS);
  return file;
}
