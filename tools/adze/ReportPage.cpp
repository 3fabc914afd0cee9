#include "tools/adze/ReportPage.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze::cli;

static std::string escape(llvm::StringRef text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

static void printValue(const llvm::json::Value &value, llvm::raw_ostream &os);

static bool isRecordList(const llvm::json::Array &array) {
  for (const llvm::json::Value &value : array)
    if (!value.getAsObject())
      return false;
  return !array.empty();
}

static llvm::SmallVector<const llvm::json::Object::value_type *> sorted(const llvm::json::Object &object) {
  llvm::SmallVector<const llvm::json::Object::value_type *> out;
  for (const auto &entry : object)
    out.push_back(&entry);
  llvm::sort(out, [](auto *a, auto *b) { return llvm::StringRef(a->first) < llvm::StringRef(b->first); });
  return out;
}

/// A list of objects becomes a table; its columns are the keys of all rows.
static void printTable(const llvm::json::Array &array, llvm::raw_ostream &os) {
  std::vector<std::string> columns;
  for (const llvm::json::Value &value : array)
    for (const auto *entry : sorted(*value.getAsObject()))
      if (!llvm::is_contained(columns, entry->first.str()))
        columns.push_back(entry->first.str());
  os << "<table><tr>";
  for (const std::string &column : columns)
    os << "<th>" << escape(column) << "</th>";
  os << "</tr>\n";
  for (const llvm::json::Value &value : array) {
    os << "<tr>";
    for (const std::string &column : columns) {
      os << "<td>";
      if (const llvm::json::Value *cell = value.getAsObject()->get(column))
        printValue(*cell, os);
      os << "</td>";
    }
    os << "</tr>\n";
  }
  os << "</table>\n";
}

static void printValue(const llvm::json::Value &value, llvm::raw_ostream &os) {
  if (const llvm::json::Object *object = value.getAsObject()) {
    os << "<dl>";
    for (const auto *entry : sorted(*object)) {
      os << "<dt>" << escape(entry->first) << "</dt><dd>";
      printValue(entry->second, os);
      os << "</dd>\n";
    }
    os << "</dl>";
  } else if (const llvm::json::Array *array = value.getAsArray()) {
    if (isRecordList(*array)) {
      printTable(*array, os);
      return;
    }
    llvm::ListSeparator separator(", ");
    for (const llvm::json::Value &item : *array) {
      os << separator;
      printValue(item, os);
    }
  } else if (std::optional<llvm::StringRef> text = value.getAsString()) {
    os << escape(*text);
  } else {
    std::string plain;
    llvm::raw_string_ostream(plain) << value;
    os << escape(plain);
  }
}

std::string adze::cli::reportPage(const llvm::json::Object &report) {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>adze report</title>\n<style>\n"
        "body { font: 14px/1.4 sans-serif; margin: 2em; } dt { font-weight: bold; margin-top: .6em }\n"
        "table { border-collapse: collapse } td, th { border: 1px solid #bbb; padding: .2em .5em; text-align: left;"
        " vertical-align: top }\nth { background: #eee }\n</style></head><body>\n<h1>adze report</h1>\n";
  llvm::json::Object copy = report;
  printValue(llvm::json::Value(std::move(copy)), os);
  os << "</body></html>\n";
  return out;
}
