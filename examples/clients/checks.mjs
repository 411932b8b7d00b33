// What the JavaScript scripts share: the gateway's address and key, the request, and counting checks; see checks.py.
export const url = process.env.SLUICE_URL;
export const key = process.env.SLUICE_KEY;
export const ask = "Write to ana@example.com.";
export const answer = "You said: " + ask;
export const args = { city: "Graz", note: "Write to [EMAIL_1]." };
export const vector = [0.25, -0.5, 1];
export const parameters = { type: "object", properties: { city: { type: "string" }, note: { type: "string" } }, required: ["city"] };

// check prints the result of one check: got must be want.
export function check(name, got, want) {
  if (JSON.stringify(got) === JSON.stringify(want)) return console.log(`ok     ${name}`);
  process.exitCode = 1;
  console.log(`FAILED ${name}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// fails wants that call throws an error of which read gives want.
export async function fails(name, want, call, read) {
  try {
    await call();
  } catch (err) {
    return check(name, read(err) ?? String(err), want);
  }
  check(name, "no error", want);
}
