/* Keys of the tests, and a certificate: made for them, used for nothing else. */
#ifndef CONFORM_KEY_PEM_H
#define CONFORM_KEY_PEM_H

static const char rsa_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCaSz9iahd9Jyjz\n"
                              "+culqe9GO6HAOp/2XZf2IVjtuZ+Rtlgx1dHNJ1eak/lcZn3KRrA83NE5lP6e4kHq\n"
                              "W8cAj9YYk5boh7S1qx5HRRR8kPJtvqizdxNwKdt74cS/67IasxuOHKkoJwDy34eY\n"
                              "l5lEc9OFlxKFO4bLMhKKngBfF1NXe6NDxmeQhlfwIblX0jpM6hj6CbQYJpYHZdvG\n"
                              "mUAyvxl9ZvH4O16VK7jhwmTlZn3muEVd/eUcE4Xq8a7AF2nwQYansanLYtOPgz3Y\n"
                              "h82c2mUzpemMtsJTxwgCSXnMP12zu0SzQH1UdJjFhbMrbEel8bH03IrnjtDE6rtR\n"
                              "fvh0FeN9AgMBAAECggEACeNlgBu5/nqWazpjT4OU8tdAA3HjuLY2AV9mPl1YKWO6\n"
                              "V76dt+w79vYMSVxv1oPnaA3Od9usDMfbKcHw0+uj8NvGlFzxcHdzajsLuCb8Q8XF\n"
                              "XzO0AnXK8UUeZvQGlvj1vLVqrt4pt1Gq3uqPofLasmlPQHbN6Z2qJrQ/ua26Q4qD\n"
                              "8am01cYtdAy2h2lcT8maJACCF7Bj9Xz/MXmOdjLsSyu4PJQ+PhPl4tuBmSwi3hfx\n"
                              "NnN6sSZ7U8wDuoMVEVy2C3yJlDjln04p4KVGFLR9n1A4HqanucvJ3ZzhM9lEncAd\n"
                              "Q0fDCWcV+J7vHLUSvCIAFO+095L77a8zSgq4lyDlOQKBgQDYxZiuysCuhhHUkzSd\n"
                              "6g0UPbqZZCYt7zWXyC8ufIImNr3liU7UJVp3EXBq3x/uE+vnLOVWTFA1V4m9+t3E\n"
                              "DSF6Co6FFnBDHXvFLwA/Gkt3AdX+3THe3xXKiZh3Hp27ZVBm2IW8EXY8fFLT5/Nl\n"
                              "/lTGtmGmlGbbWeaMkyGvMPK31QKBgQC2NzuAftgxOuqXf+99gWE3P2K1p4Xa8vm3\n"
                              "7gNuaHn7smFtKjfPpHxjzcmCemySlSxL7E+dCnVf8vD+JHpeQfqLaSLGEHZLVbR8\n"
                              "PpyoSd6O9czXwMGwkdTKSjdp+f/6eJd+ApHbkTy91fnvQnxVdFlOUFtQnjCg+aOp\n"
                              "tov6FKM5CQKBgBEHFINGcfRDm8ry9UMiS3y3jJzX/RfGnpMZqnsgVKjjy+7n5kVL\n"
                              "2dtYh1gdxshQ0EsMf8dTn0lRYwSFXD42Odb4VVGm/ZKIElze4EoUqrDieAjZHz2+\n"
                              "kFuki1FwGjvKLZKml3q6dGsz6N20bq4oWEhzsx/+sEWyviV0uUSlt6sxAoGAGfUU\n"
                              "TOHE+n5iHOLkwwRDTROChE4xC1fBqyoE4x2PAwQOTPbOrI3KCo2uPyAhh2Aox0gK\n"
                              "r1xmDB0Xp5yasgLEJkf75CtELscuxuREfNTJF6R8Yd/bt8OOhKK98iLjDFNRgWns\n"
                              "TVMLTB/HUwYtoB7K+hUIbRub4dKuNecDWcTG28ECgYEAhxlyZF9TFqiTE58Z2zRR\n"
                              "3s+EOAGnr4tfi5e24msU9nj04dxI+i7A4HZBqMNTqXjCJrz3Skwt5KRTP/Z70cHI\n"
                              "X0fRFepYHA6GzsMAbtyshuS1+xuvpqXXk22el49Xh+Nz5Oj9OeMLqorcf/IxrGYK\n"
                              "vWHVkPWCt4wtL2RpppEeB0Y=\n"
                              "-----END PRIVATE KEY-----\n";

static const char ec256_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMV2D0mMGPWFsMnh6\n"
                                "G0szBEX2yIXFlw5IttB/Lr4gKv6hRANCAAThOKN+BrSA1zcHWx5K97DkkA3hxUq2\n"
                                "rUOSAzOdpQ1MgV8Suj4qz2MhTTuWvDQh3opr7OwKRHrSu3O+r84CTpPp\n"
                                "-----END PRIVATE KEY-----\n";

static const char ec384_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBJOk9IjIue36/sEXmK\n"
                                "q3CIf98Y/dmrxW8xC0S5Maf1x+b7IVWQHQWsSAqbhk7fOrGhZANiAAQ5IVIa7Xvi\n"
                                "x113bliR+K9G8vyxqJPkTDhYDWgWF/uDM0VGVuSj9wQDBsbx7L0MSTtlJST8JMD1\n"
                                "xdLLXEqZFUbOp184ncond9v1XdRfMWh3GojAmNrKUh4BDWIORHoMMdM=\n"
                                "-----END PRIVATE KEY-----\n";

static const char ec521_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBXSN5OusmiSDqbEeJ\n"
                                "Ysw7RTWDfsUM0Is6l5MXwen6whDTJImBUvA3VqtHuwABoljd6UnpIjBrE1Ma1/68\n"
                                "wcShZdahgYkDgYYABABjk3gzNYFXxdi8SFXwXcpa1E8ZVaJ2F3KBfYNvOJdj2M7a\n"
                                "yWLlEMdSVdWVC5nZ8OwuP69XnU3Ppeagld1WTkzX/QEMcs/J6EvshS6E8MiUcclv\n"
                                "dXTbwkWMzFKOhpBZVkW05FfO0Cy/F3OPREVRZsa+7j7ckpMDwGtCMmZAzvNMpwVV\n"
                                "jA==\n"
                                "-----END PRIVATE KEY-----\n";

static const char ed_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                             "MC4CAQAwBQYDK2VwBCIEIKg8G7xmREbcSdLWogJsYqt4lYvujvcEQUoFRtgGYGtJ\n"
                             "-----END PRIVATE KEY-----\n";

static const char dsa_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIIBWwIBADCCATMGByqGSM44BAEwggEmAoGBAJ9brFuk+TWYU5LfBfQ/o0aTIs0u\n"
                              "YcspvlgdTfEzhLN/Byg+aNlFpVxX5Rn0M8TwEeqyZ33syzsyw8M3Y6I0Ol51wwaT\n"
                              "6IhdpMPQzKI1AEKze9nuuT4VpeElTN+BPXFquPRCwp+Nkiu7TwsGibefagpxSB1G\n"
                              "Qe3wBi9SXWrzHnxnAh0AlkDWbXT1t6UfLGHZMvjRE83vlh01i+yo6oxL+QKBgE3r\n"
                              "xOC2sX6+Fx+PL4nXAiXIo/h6IMynCdlnPiEUGBNEnZ6q80TKh0bBOM6cpSnumMGx\n"
                              "75ovEfW6DKV81DcPJ9R8soH9TmawI32PThJuVyN9uzh1jy/jroBXbfe8Kgkun1Dq\n"
                              "LsAmWvLE+qLZr/Y+6Z8fjuR+/GU4y8Qt0wUFurT6BB8CHQCOgrKqxdOffiBBD35B\n"
                              "j+ZjNsQmBhjBIftKf5xB\n"
                              "-----END PRIVATE KEY-----\n";

static const char cert_hex[] =
    "308201683082010ea003020102020107300a06082a8648ce3d04030230123110300e06035504030c"
    "07636f6e666f726d3020170d3236313132323038303735325a180f32313236313032393038303735"
    "325a30123110300e06035504030c07636f6e666f726d3059301306072a8648ce3d020106082a8648"
    "ce3d03010703420004e138a37e06b480d737075b1e4af7b0e4900de1c54ab6ad439203339da50d4c"
    "815f12ba3e2acf63214d3b96bc3421de8a6becec0a447ad2bb73beafce024e93e9a3533051301d06"
    "03551d0e041604141807a3b1bc78b86ea9c07fea8af1147c95699283301f0603551d230418301680"
    "141807a3b1bc78b86ea9c07fea8af1147c95699283300f0603551d130101ff040530030101ff300a"
    "06082a8648ce3d0403020348003045022100ed63537917809e55fb44c8e0a3cb3c69960f6c557f77"
    "410b1d43fb248bdd59f4022015b40b8a3f588d9ec8a9c9666863afc0118ea6e3e3c2de0e07446f72"
    "5dff05ed";

#endif
