/** In every test process: a warning of Node's (a leak of listeners, a deprecated call) fails the tests like an error. */
process.on('warning', (warning) => {
  // Thrown outside of any test, it is an unhandled error of the run, with its stack.
  setImmediate(() => {
    throw warning;
  });
});
