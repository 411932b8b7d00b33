/* The handler ABI of http-wasm (http-wasm.io/http-handler-abi), as guests in C see it. */
typedef unsigned char byte;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("http_handler"), import_name(#name))) extern

enum { REQUEST, RESPONSE, REQUEST_TRAILERS, RESPONSE_TRAILERS };
enum { BUFFER_REQUEST = 1, BUFFER_RESPONSE = 2, TRAILERS = 4 };

IMPORT(get_config) u32 get_config(void *buf, u32 limit);
IMPORT(enable_features) u32 enable_features(u32 features);
IMPORT(log) void http_log(int level, const void *text, u32 n);
IMPORT(log_enabled) u32 log_enabled(int level);
IMPORT(get_header_names) u64 get_header_names(u32 kind, void *buf, u32 limit);
IMPORT(get_header_values) u64 get_header_values(u32 kind, const void *name, u32 n, void *buf, u32 limit);
IMPORT(set_header_value) void set_header_value(u32 kind, const void *name, u32 n, const void *value, u32 m);
IMPORT(add_header_value) void add_header_value(u32 kind, const void *name, u32 n, const void *value, u32 m);
IMPORT(remove_header) void remove_header(u32 kind, const void *name, u32 n);
IMPORT(read_body) u64 read_body(u32 kind, void *buf, u32 limit);
IMPORT(write_body) void write_body(u32 kind, const void *buf, u32 n);
IMPORT(get_method) u32 get_method(void *buf, u32 limit);
IMPORT(set_method) void set_method(const void *text, u32 n);
IMPORT(get_uri) u32 get_uri(void *buf, u32 limit);
IMPORT(set_uri) void set_uri(const void *text, u32 n);
IMPORT(get_protocol_version) u32 get_protocol_version(void *buf, u32 limit);
IMPORT(get_source_addr) u32 get_source_addr(void *buf, u32 limit);
IMPORT(get_status_code) u32 get_status_code(void);
IMPORT(set_status_code) void set_status_code(u32 status);
