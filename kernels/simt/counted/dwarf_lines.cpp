// The line number program (DWARF 4, section 6.2).
#include "kernels/simt/counted/dwarf.h"

namespace lamella::simt {
namespace {

struct Header {
  std::uint8_t shortest_instruction, opcode_base, line_range;
  std::int8_t line_base;
  std::vector<std::uint8_t> operand_counts;
};

struct Machine {
  LineRow row{0, 1, 1, 0, false};
  std::vector<LineRow>& rows;
  void emit() { rows.push_back(row); }
  void restart() { row = {0, 1, 1, 0, false}; }
};

Header read_header(DwarfCursor& cursor, LineTable& table) {
  Header header{};
  header.shortest_instruction = cursor.read<std::uint8_t>();
  cursor.skip(1);  // operations of an instruction: 1 but for VLIW machines
  cursor.skip(1);  // default_is_stmt
  header.line_base = cursor.read<std::int8_t>();
  header.line_range = cursor.read<std::uint8_t>();
  header.opcode_base = cursor.read<std::uint8_t>();
  if (header.line_range == 0) throw std::runtime_error("a line table has line_range 0");
  for (int i = 1; i < header.opcode_base; ++i) {
    header.operand_counts.push_back(cursor.read<std::uint8_t>());
  }
  std::vector<std::string> folders{""};
  for (std::string_view name = cursor.string(); !name.empty(); name = cursor.string()) {
    folders.emplace_back(name);
  }
  table.files.emplace_back();
  for (std::string_view name = cursor.string(); !name.empty(); name = cursor.string()) {
    const std::uint64_t folder = cursor.uleb();
    cursor.uleb();  // time
    cursor.uleb();  // size
    const bool known = folder > 0 && folder < folders.size() && name[0] != '/';
    table.files.push_back(known ? folders[folder] + "/" + std::string(name) : std::string(name));
  }
  return header;
}

void run_extended(DwarfCursor& cursor, Machine& machine) {
  const std::uint64_t length = cursor.uleb();
  if (length == 0) return;
  const auto opcode = cursor.read<std::uint8_t>();
  if (opcode == 1) {  // DW_LNE_end_sequence
    machine.row.end = true;
    machine.emit();
    machine.restart();
  } else if (opcode == 2 && length == 9) {  // DW_LNE_set_address
    machine.row.address = cursor.read<std::uint64_t>();
    return;
  }
  cursor.skip(length - 1);
}

void run_standard(std::uint8_t opcode, const Header& header, DwarfCursor& cursor,
                  Machine& machine) {
  LineRow& row = machine.row;
  switch (opcode) {
    case 1:  // DW_LNS_copy
      machine.emit();
      return;
    case 2:  // DW_LNS_advance_pc
      row.address += cursor.uleb() * header.shortest_instruction;
      return;
    case 3:  // DW_LNS_advance_line
      row.line = static_cast<std::uint32_t>(row.line + cursor.sleb());
      return;
    case 4:  // DW_LNS_set_file
      row.file = static_cast<std::uint32_t>(cursor.uleb());
      return;
    case 5:  // DW_LNS_set_column
      row.column = static_cast<std::uint32_t>(cursor.uleb());
      return;
    case 8:  // DW_LNS_const_add_pc
      row.address += std::uint64_t{(255U - header.opcode_base) / header.line_range} *
                     header.shortest_instruction;
      return;
    case 9:  // DW_LNS_fixed_advance_pc
      row.address += cursor.read<std::uint16_t>();
      return;
    default:  // flags this reader has no use for
      for (int i = 0; i < header.operand_counts[opcode - 1U]; ++i) cursor.uleb();
  }
}

}  // namespace

LineTable read_line_table(const DwarfSections& sections, std::uint64_t offset) {
  LineTable table;
  DwarfCursor head(sections.line, offset);
  const auto length = head.read<std::uint32_t>();
  DwarfCursor cursor(sections.line.substr(0, head.at() + length), head.at());
  const auto version = cursor.read<std::uint16_t>();
  if (version != 4) {
    throw std::runtime_error("a line table of the kernels has version " + std::to_string(version) +
                             "; compile them with -gdwarf-4");
  }
  cursor.skip(4);  // header_length
  const Header header = read_header(cursor, table);
  Machine machine{{0, 1, 1, 0, false}, table.rows};
  while (!cursor.done()) {
    const auto opcode = cursor.read<std::uint8_t>();
    if (opcode == 0) {
      run_extended(cursor, machine);
    } else if (opcode < header.opcode_base) {
      run_standard(opcode, header, cursor, machine);
    } else {  // special: both advances and a row (6.2.5.1)
      const unsigned step = opcode - header.opcode_base;
      machine.row.address += std::uint64_t{step / header.line_range} * header.shortest_instruction;
      machine.row.line =
          static_cast<std::uint32_t>(static_cast<int>(machine.row.line) + header.line_base +
                                     static_cast<int>(step % header.line_range));
      machine.emit();
    }
  }
  return table;
}

}  // namespace lamella::simt
