/* Reset ROM of the emulated machine: 64 KiB at 0xffff0000, in place of a BIOS.
 *
 * From the reset vector it enters protected mode, reads one header sector, the kernel and
 * the initramfs from the first ATA disk by programmed I/O, builds an identity map and a
 * boot_params page, enters long mode and jumps to the raw kernel image, as the 64-bit
 * boot protocol of Linux asks (Documentation/x86/boot.rst, struct boot_params).
 *
 * Header, sector 0 of the disk, little-endian 32-bit words (written by avx512-run):
 *   0 magic "TZE1"   4 kernel LBA    8 kernel sectors   12 initramfs LBA
 *   16 initramfs sectors   20 initramfs bytes   24 memory in MiB
 *   64 command line, ends with NUL, at most 447 characters
 */
        .set    ROM,            0xffff0000
        .set    MAGIC,          0x31455a54
        .set    CMDLINE_MAX,    447

        /* Memory map, all below the 0x9f000 that the kernel is told about. */
        .set    PML4,           0x1000
        .set    PDPT,           0x2000
        .set    PD,             0x3000          /* four pages: 4 GiB in 2 MiB steps */
        .set    STACK_TOP,      0x7ff0
        .set    PARAMS,         0x8000
        .set    HEADER,         0x9000
        .set    KERNEL,         0x1000000       /* CONFIG_PHYSICAL_START */
        .set    INITRD,         0x4000000

        .set    LOW_RAM_END,    0x9f000
        .set    E820_RAM,       1

        /* struct boot_params, by offset. */
        .set    P_E820_ENTRIES, PARAMS + 0x1e8
        .set    P_BOOT_FLAG,    PARAMS + 0x1fe
        .set    P_MAGIC,        PARAMS + 0x202
        .set    P_VERSION,      PARAMS + 0x206
        .set    P_LOADER,       PARAMS + 0x210
        .set    P_LOADFLAGS,    PARAMS + 0x211
        .set    P_RAMDISK,      PARAMS + 0x218
        .set    P_RAMDISK_SIZE, PARAMS + 0x21c
        .set    P_CMDLINE,      PARAMS + 0x228
        .set    P_CMDLINE_SIZE, PARAMS + 0x238
        .set    P_E820,         PARAMS + 0x2d0  /* u64 address, u64 size, u32 type */

        /* Ports. */
        .set    A20,            0x92
        .set    ATA_DATA,       0x1f0
        .set    ATA_COUNT,      0x1f2
        .set    ATA_STATUS,     0x1f7
        .set    ATA_CONTROL,    0x3f6
        .set    BOCHS_POWER,    0x8900

        .set    CODE32,         0x08
        .set    CODE64,         0x10
        .set    DATA,           0x18

        .text
rom:
        .code16
enter16:
        cli
        cld
        lgdtl   %cs:(gdt_pointer - rom)
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax               /* CD and NW off: caches on */
        orl     $1, %eax                        /* PE */
        movl    %eax, %cr0
        ljmpl   $CODE32, $(ROM + enter32 - rom)

        .code32
enter32:
        movl    $DATA, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $STACK_TOP, %esp
        movb    $2, %al
        outb    %al, $A20
        movw    $ATA_CONTROL, %dx
        outb    %al, %dx                        /* 2: the disk raises no interrupts */

        movl    $HEADER, %edi
        xorl    %ebx, %ebx
        movl    $1, %ecx
        call    read_disk
        cmpl    $MAGIC, HEADER
        jne     power_off
        movl    $KERNEL, %edi
        movl    HEADER + 4, %ebx
        movl    HEADER + 8, %ecx
        call    read_disk
        movl    $INITRD, %edi
        movl    HEADER + 12, %ebx
        movl    HEADER + 16, %ecx
        call    read_disk

        movl    $PARAMS, %edi
        xorl    %eax, %eax
        movl    $1024, %ecx
        rep stosl
        movw    $0xaa55, P_BOOT_FLAG
        movl    $0x53726448, P_MAGIC            /* "HdrS" */
        movw    $0x020c, P_VERSION
        movb    $0xff, P_LOADER                 /* a loader without a number */
        movb    $1, P_LOADFLAGS                 /* loaded high */
        movl    $INITRD, P_RAMDISK
        movl    HEADER + 20, %eax
        movl    %eax, P_RAMDISK_SIZE
        movl    $(HEADER + 64), P_CMDLINE
        movl    $CMDLINE_MAX, P_CMDLINE_SIZE
        movb    $2, P_E820_ENTRIES
        movl    $LOW_RAM_END, P_E820 + 8
        movl    $E820_RAM, P_E820 + 16
        movl    $0x100000, P_E820 + 20          /* 1 MiB to the end of memory */
        movl    HEADER + 24, %eax
        decl    %eax
        shll    $20, %eax
        movl    %eax, P_E820 + 28
        movl    $E820_RAM, P_E820 + 36

        movl    $PML4, %edi
        xorl    %eax, %eax
        movl    $(6 * 1024), %ecx
        rep stosl
        movl    $(PDPT + 3), PML4               /* 3: present, writable */
        movl    $(PD + 0x0003), PDPT
        movl    $(PD + 0x1003), PDPT + 8
        movl    $(PD + 0x2003), PDPT + 16
        movl    $(PD + 0x3003), PDPT + 24
        movl    $PD, %edi
        movl    $0x83, %eax                     /* present, writable, 2 MiB */
        movl    $2048, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b

        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x20, %eax                     /* PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx               /* EFER */
        rdmsr
        orl     $0x100, %eax                    /* LME */
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax               /* PG */
        movl    %eax, %cr0
        ljmpl   $CODE64, $(ROM + enter64 - rom)

/* Reads %ecx sectors from LBA %ebx on to memory at %edi, 256 by one command. */
read_disk:
        testl   %ecx, %ecx
        jz      9f
        movl    $256, %ebp
        cmpl    %ebp, %ecx
        jae     1f
        movl    %ecx, %ebp
1:      subl    %ebp, %ecx
        pushl   %ecx
        movw    $ATA_COUNT, %dx                 /* then the LBA, drive and command ports */
        movl    %ebp, %eax
        outb    %al, %dx                        /* 0 stands for 256 */
        incl    %edx
        movl    %ebx, %eax
        outb    %al, %dx
        incl    %edx
        shrl    $8, %eax
        outb    %al, %dx
        incl    %edx
        shrl    $8, %eax
        outb    %al, %dx
        incl    %edx
        shrl    $8, %eax
        orb     $0xe0, %al                      /* LBA mode, master */
        outb    %al, %dx
        incl    %edx
        movb    $0x20, %al                      /* READ SECTORS */
        outb    %al, %dx
        addl    %ebp, %ebx
2:      movw    $ATA_STATUS, %dx
3:      inb     %dx, %al
        testb   $0x80, %al                      /* BSY */
        jnz     3b
        testb   $0x01, %al                      /* ERR */
        jnz     power_off
        testb   $0x08, %al                      /* DRQ */
        jz      3b
        movw    $ATA_DATA, %dx
        movl    $128, %ecx
        rep insl
        decl    %ebp
        jnz     2b
        popl    %ecx
        jmp     read_disk
9:      ret

power_off:
        movw    $BOCHS_POWER, %dx
        movl    $(ROM + power_word - rom), %esi
        movl    $8, %ecx
        rep outsb
        hlt
        jmp     power_off
power_word:
        .ascii  "Shutdown"

        .code64
enter64:
        movl    $DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $PARAMS, %esi
        movl    $KERNEL, %eax
        jmp     *%rax

        .balign 16
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              /* CODE32 */
        .quad   0x00af9b000000ffff              /* CODE64 */
        .quad   0x00cf93000000ffff              /* DATA */
gdt_pointer:
        .word   . - gdt - 1
        .long   ROM + gdt - rom

        .org    0xfff0                          /* reset vector */
        .code16
        .globl  _start
_start:
        jmp     enter16
        .org    0x10000
