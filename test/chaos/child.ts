// The processes of the chaos test, in one script that is compiled once: `child.ts ROLE ARGUMENTS…`.

const [role, ...args] = process.argv.slice(2);
switch (role) {
  case 'producer':
    await (await import('./producer.js')).produce(args);
    break;
  case 'receiver':
    await (await import('./receiver.js')).receive(args);
    break;
  default:
    throw new TypeError(`no role ${role}`);
}
